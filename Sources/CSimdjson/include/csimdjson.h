#pragma once
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif
typedef struct nudged_json_parser nudged_json_parser;
nudged_json_parser *nudged_json_parser_create(void);
void nudged_json_parser_destroy(nudged_json_parser *parser);
#ifdef __cplusplus
}
#endif
