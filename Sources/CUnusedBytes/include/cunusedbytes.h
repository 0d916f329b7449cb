#ifndef NUDGED_UNUSED_BYTES_H
#define NUDGED_UNUSED_BYTES_H

#include <sqlite3.h>

/// From now on every page of this connection's main database is written with its unused bytes as zeros. The database must stay below
/// NUDGED_MOST_PAGES (PRAGMA max_page_count). Gives an SQLite result code.
int nudged_zero_unused_bytes(sqlite3 *database);

/// Below so many pages the first byte of a page that is no part of a tree is 0 or 1, which no tree's page begins with.
#define NUDGED_MOST_PAGES 33554431

#endif
