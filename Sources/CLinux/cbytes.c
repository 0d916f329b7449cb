#define _GNU_SOURCE
#include "cbytes.h"
#include <stdint.h>
#include <string.h>

ptrdiff_t nudged_last_newline(const void *bytes, size_t count) {
    const char *found = count ? memrchr(bytes, '\n', count) : NULL;
    return found ? found - (const char *)bytes : -1;
}

size_t nudged_leading_nuls(const void *bytes, size_t count) {
    const unsigned char *p = bytes;
    size_t i = 0;
    uint64_t word;
    while (count - i >= sizeof word) {
        memcpy(&word, p + i, sizeof word);
        if (word) break;
        i += sizeof word;
    }
    while (i < count && !p[i]) i++;
    return i;
}
