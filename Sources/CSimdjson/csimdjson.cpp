#include "csimdjson.h"
#include <simdjson.h>

struct nudged_json_parser {
    simdjson::dom::parser parser;
};

nudged_json_parser *nudged_json_parser_create(void) { return new (std::nothrow) nudged_json_parser(); }
void nudged_json_parser_destroy(nudged_json_parser *parser) { delete parser; }
