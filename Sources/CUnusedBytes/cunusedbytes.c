// `secure_delete` overwrites what is deleted, but when SQLite balances a tree it lays a page's cells out anew and leaves the bytes of those that
// moved to a neighbour in the gap between the cell pointers and the cells: of some deleted rows an old copy stays for good (about one in a hundred,
// measured on SQLite 3.40). Nothing in SQLite reads the gap. So it is zeroed on the way to the file: with a write-ahead log the main database is
// written by checkpoints alone, from a copy of the page, and no checksum covers it.
//
// The page's layout is that of https://www.sqlite.org/fileformat2.html, "B-tree Pages".

#include "cunusedbytes.h"

#include <pthread.h>
#include <string.h>

enum { largest_page = 65536, file_header = 100 };

static int (*original_write)(sqlite3_file *, const void *, int, sqlite3_int64);
static sqlite3_io_methods methods;
static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;

static int big_endian(const unsigned char *bytes) { return bytes[0] << 8 | bytes[1]; }

/// Where the gap of a tree's page is; 0 if the page is none, or has no gap.
static int gap(const unsigned char *page, int size, sqlite3_int64 offset, int *length) {
    const int header = offset == 0 ? file_header : 0;
    const unsigned char kind = page[header];
    if (kind != 2 && kind != 5 && kind != 10 && kind != 13) return 0;
    const int pointers = header + (kind == 2 || kind == 5 ? 12 : 8);
    const int start = pointers + 2 * big_endian(page + header + 3);
    int cells = big_endian(page + header + 5);
    if (cells == 0) cells = largest_page;
    if (cells > size || start >= cells) return 0;
    *length = cells - start;
    return start;
}

static int write_zeroed(sqlite3_file *file, const void *bytes, int size, sqlite3_int64 offset) {
    int length = 0;
    // Whole pages only; at least 512 bytes, a power of two.
    const int is_page = size >= 512 && size <= largest_page && (size & (size - 1)) == 0 && offset % size == 0;
    const int start = is_page ? gap(bytes, size, offset, &length) : 0;
    if (start == 0) return original_write(file, bytes, size, offset);
    unsigned char page[largest_page];
    memcpy(page, bytes, start);
    memset(page + start, 0, length);
    memcpy(page + start + length, (const unsigned char *)bytes + start + length, size - start - length);
    return original_write(file, page, size, offset);
}

int nudged_zero_unused_bytes(sqlite3 *database) {
    sqlite3_file *file = NULL;
    const int code = sqlite3_file_control(database, "main", SQLITE_FCNTL_FILE_POINTER, &file);
    if (code != SQLITE_OK) return code;
    if (file == NULL || file->pMethods == NULL) return SQLITE_MISUSE;
    pthread_mutex_lock(&guard);
    int result = SQLITE_OK;
    if (original_write == NULL) {
        methods = *file->pMethods;
        original_write = methods.xWrite;
        methods.xWrite = write_zeroed;
    } else if (file->pMethods->xWrite != original_write && file->pMethods != &methods) {
        // Another kind of file system than the first database's: never seen, and not worth a table.
        result = SQLITE_MISUSE;
    }
    if (result == SQLITE_OK) file->pMethods = &methods;
    pthread_mutex_unlock(&guard);
    return result;
}
