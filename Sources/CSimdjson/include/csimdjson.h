// A narrow C face of simdjson's DOM parser: one call a line, and the parsed tape to walk.
#pragma once
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif

typedef struct nudged_json_parser nudged_json_parser;

/// What became of a line. The numbers are part of the interface to Swift.
enum {
    NUDGED_JSON_OK = 0,
    NUDGED_JSON_BAD = 1,
    NUDGED_JSON_BAD_UTF8 = 2,
    NUDGED_JSON_TOO_DEEP = 3,
    NUDGED_JSON_NO_MEMORY = 4
};

/// The outcome and, when it is OK, simdjson's tape and string buffer (doc/tape.md of simdjson). Both belong to the parser and
/// hold until its next parse. The string buffer is readable for at least 8 bytes beyond any string in it.
typedef struct {
    const uint64_t *tape;
    const uint8_t *strings;
    int32_t outcome;
} nudged_json_document;

/// NULL when there is no memory.
nudged_json_parser *nudged_json_parser_create(void);
void nudged_json_parser_destroy(nudged_json_parser *parser);

/// Parses one JSON text, validating all of it. `line` must be readable for 64 bytes beyond `length`; what stands there does not
/// matter. More than 512 arrays and objects around a value are refused.
nudged_json_document nudged_json_parse(nudged_json_parser *parser, const uint8_t *line, size_t length);

#ifdef __cplusplus
}
#endif
