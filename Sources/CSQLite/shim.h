#include <sqlite3.h>

/// SQLite counts the bytes it has allocated under one mutex for the whole process, and nobody asks for them. To be called before anything else
/// of SQLite; later it changes nothing.
static inline int nudged_sqlite_counts_no_memory(void) { return sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); }
