#pragma once
// Linux calls that Swift's Glibc module does not carry.
#include <stdint.h>

/// The generation of the inode behind `fd` (FS_IOC_GETVERSION); returns 0 and leaves `generation` at 0 where the file
/// system has none, so that two files of one inode number cannot be told apart by it.
int nudged_inode_generation(int fd, uint32_t *generation);

/// rename(2) within a directory tree that never replaces an existing file (renameat2 with RENAME_NOREPLACE).
/// Returns 0, or -1 with errno (EEXIST when the new name is taken).
int nudged_rename_noreplace(int old_directory, const char *old_name, int new_directory, const char *new_name);

/// syncfs(2) of the file system that `fd` lies on.
int nudged_syncfs(int fd);

/// Lets SIGTERM, SIGINT and SIGHUP wait from here on, until a descriptor of `nudged_signal_descriptor` takes them.
void nudged_block_signals(void);

/// A descriptor that becomes readable when SIGTERM, SIGINT or SIGHUP arrives (signalfd); the signals are blocked for
/// the whole process. Returns -1 with errno on failure.
int nudged_signal_descriptor(void);

/// The next signal number waiting on a descriptor of `nudged_signal_descriptor`, or 0 when there is none.
int nudged_next_signal(int fd);

/// Takes the pages of code out of the process that it has used so far; those that are used again come back from the page cache. The
/// kernel maps sixteen for each that is used, and a start uses four times the code that work does.
void nudged_release_code(void);

/// 1 if `path` lies on a file system that only this machine changes, 0 if on one that others change over a network (or FUSE),
/// or where it can't be told.
int nudged_is_local(const char *path);
