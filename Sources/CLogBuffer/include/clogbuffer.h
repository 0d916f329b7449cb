#ifndef NUDGED_LOG_BUFFER_H
#define NUDGED_LOG_BUFFER_H

#include <sqlite3.h>

/// From now on what this connection writes to its write-ahead log goes to the file in large pieces instead of two for each page. The connection
/// must be in WAL mode with synchronous=FULL and have read its database once, so that the log is open. Gives an SQLite result code.
int nudged_gather_log(sqlite3 *database);

#endif
