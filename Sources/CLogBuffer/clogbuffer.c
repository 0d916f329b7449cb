// SQLite writes each page of its write-ahead log with two calls, 24 bytes and then the page, so that no write is a whole page of the file: the kernel
// is called, and clears a page of its cache, twice for each. A large commit spends more time there than anywhere else. So what is written one after
// the other is gathered, and goes to the file in one piece when there is much of it, and before anybody could miss it:
//
// - before the log is synced. With synchronous=FULL a commit syncs the log before the index in shared memory says that its frames are there
//   (sqlite3WalFrames in SQLite's wal.c), so that no other connection looks for what has not been written;
// - before the log's size is asked for or changed, before it is closed, and before something else is written elsewhere in it.
//
// Reads are served from what has been gathered, because pages that have left SQLite's cache within a transaction are read back from the log.
// What can't be written is reported by the call that had to write it, and forgotten: SQLite takes the transaction back.

#include "clogbuffer.h"

#include <stdlib.h>
#include <string.h>

// SQLite's own methods write less than 128 KiB at a time.
enum { block = 4096, capacity = 31 * block };

/// The methods of one log, with what has been gathered for it. A file's `pMethods` leads to it.
typedef struct {
    sqlite3_io_methods methods;
    const sqlite3_io_methods *original;
    sqlite3_int64 start;
    int length;
    unsigned char bytes[capacity];
} log_buffer;

static log_buffer *buffer_of(sqlite3_file *file) { return (log_buffer *)file->pMethods; }

static int flush(log_buffer *log, sqlite3_file *file) {
    if (log->length == 0) return SQLITE_OK;
    const int length = log->length;
    log->length = 0;
    return log->original->xWrite(file, log->bytes, length, log->start);
}

/// Writes all but what is gathered of the last block of the file, so that whole blocks are written.
static int flush_blocks(log_buffer *log, sqlite3_file *file) {
    const int rest = (int)((log->start + log->length) % block);
    if (rest >= log->length) return SQLITE_OK;
    const int length = log->length - rest;
    const int code = log->original->xWrite(file, log->bytes, length, log->start);
    if (code != SQLITE_OK) {
        log->length = 0;
        return code;
    }
    memmove(log->bytes, log->bytes + length, rest);
    log->start += length;
    log->length = rest;
    return SQLITE_OK;
}

static int gather(sqlite3_file *file, const void *bytes, int size, sqlite3_int64 offset) {
    log_buffer *log = buffer_of(file);
    int code = SQLITE_OK;
    if (log->length > 0 && offset == log->start + log->length && log->length + size > capacity) code = flush_blocks(log, file);
    const int follows = log->length > 0 && offset >= log->start && offset <= log->start + log->length;
    if (code == SQLITE_OK && (!follows || offset + size > log->start + capacity)) {
        code = flush(log, file);
        if (code == SQLITE_OK && size > capacity) return log->original->xWrite(file, bytes, size, offset);
        log->start = offset;
    }
    if (code != SQLITE_OK) return code;
    memcpy(log->bytes + (offset - log->start), bytes, size);
    if (offset + size > log->start + log->length) log->length = (int)(offset + size - log->start);
    return SQLITE_OK;
}

static int read_back(sqlite3_file *file, void *bytes, int size, sqlite3_int64 offset) {
    log_buffer *log = buffer_of(file);
    const sqlite3_int64 end = log->start + log->length;
    if (log->length > 0 && offset < end && offset + size > log->start) {
        if (offset >= log->start && offset + size <= end) {
            memcpy(bytes, log->bytes + (offset - log->start), size);
            return SQLITE_OK;
        }
        const int code = flush(log, file);
        if (code != SQLITE_OK) return code;
    }
    return log->original->xRead(file, bytes, size, offset);
}

static int sync_log(sqlite3_file *file, int flags) {
    log_buffer *log = buffer_of(file);
    const int code = flush(log, file);
    return code == SQLITE_OK ? log->original->xSync(file, flags) : code;
}

static int truncate_log(sqlite3_file *file, sqlite3_int64 size) {
    log_buffer *log = buffer_of(file);
    const int code = flush(log, file);
    return code == SQLITE_OK ? log->original->xTruncate(file, size) : code;
}

static int size_of_log(sqlite3_file *file, sqlite3_int64 *size) {
    log_buffer *log = buffer_of(file);
    const int code = flush(log, file);
    return code == SQLITE_OK ? log->original->xFileSize(file, size) : code;
}

static int close_log(sqlite3_file *file) {
    log_buffer *log = buffer_of(file);
    const int written = flush(log, file);
    file->pMethods = log->original;
    free(log);
    const int closed = file->pMethods->xClose(file);
    return written == SQLITE_OK ? closed : written;
}

int nudged_gather_log(sqlite3 *database) {
    sqlite3_file *file = NULL;
    const int code = sqlite3_file_control(database, "main", SQLITE_FCNTL_JOURNAL_POINTER, &file);
    if (code != SQLITE_OK) return code;
    if (file == NULL || file->pMethods == NULL) return SQLITE_MISUSE;
    if (file->pMethods->xClose == close_log) return SQLITE_OK;
    log_buffer *log = malloc(sizeof *log);
    if (log == NULL) return SQLITE_NOMEM;
    log->original = file->pMethods;
    log->methods = *log->original;
    log->methods.xWrite = gather;
    log->methods.xRead = read_back;
    log->methods.xSync = sync_log;
    log->methods.xTruncate = truncate_log;
    log->methods.xFileSize = size_of_log;
    log->methods.xClose = close_log;
    log->start = 0;
    log->length = 0;
    file->pMethods = &log->methods;
    return SQLITE_OK;
}
