#pragma once
// Byte searches that Glibc's module lacks or that Swift would do a byte at a time.
#include <stddef.h>

/// The index of the last `\n` in `bytes[0..<count]`, or -1 when there is none (memrchr).
ptrdiff_t nudged_last_newline(const void *bytes, size_t count);

/// How many bytes at the start of `bytes[0..<count]` are NUL.
size_t nudged_leading_nuls(const void *bytes, size_t count);
