#include "csimdjson.h"
#include <simdjson.h>

#include <cstring>
#include <memory>
#include <new>

// Deeper values are refused: whoever walks the tape may recurse. simdjson counts arrays and objects that hold something, and
// refuses at its limit, not above it.
static constexpr size_t maximal_depth = 513;
// One size for nearly all lines, so that a growing log does not reallocate line by line.
static constexpr size_t smallest_capacity = 16 * 1024;

struct nudged_json_parser {
    std::unique_ptr<simdjson::internal::dom_parser_implementation> implementation;
    simdjson::dom::document document;
    // A copy of a line in which integers beyond 64 bits are written as doubles; rarely used.
    std::unique_ptr<uint8_t[]> rewritten;
    size_t rewritten_capacity = 0;
};

nudged_json_parser *nudged_json_parser_create(void) { return new (std::nothrow) nudged_json_parser(); }
void nudged_json_parser_destroy(nudged_json_parser *parser) { delete parser; }

static bool reserve(nudged_json_parser *parser, size_t length) {
    if (parser->implementation && parser->implementation->capacity() >= length && parser->document.capacity() >= length) {
        return true;
    }
    size_t capacity = smallest_capacity;
    while (capacity < length) { capacity *= 2; }
    if (parser->document.allocate(capacity)) { return false; }
    if (!parser->implementation) {
        return !simdjson::get_active_implementation()->create_dom_parser_implementation(
            capacity, maximal_depth, parser->implementation);
    }
    return !parser->implementation->allocate(capacity, maximal_depth);
}

static int hex(uint8_t byte) {
    if (byte >= '0' && byte <= '9') { return byte - '0'; }
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

// The high byte of the \uXXXX at `at`, or -1 if there is none.
static int escaped_high_byte(const uint8_t *at, const uint8_t *end) {
    if (end - at < 6 || at[0] != '\\' || at[1] != 'u') { return -1; }
    return hex(at[2]) << 4 | hex(at[3]);
}

// Whether every escaped surrogate of a valid JSON text has its other half. simdjson 3.0.1 lets some lone ones through and
// then gives out strings that are no UTF-8.
static bool surrogates_are_paired(const uint8_t *line, size_t length) {
    const uint8_t *at = line, *end = line + length;
    while ((at = static_cast<const uint8_t *>(memchr(at, '\\', end - at)))) {
        int high = escaped_high_byte(at, end);
        if (high >= 0xDC && high <= 0xDF) { return false; }
        if (high >= 0xD8 && high <= 0xDB) {
            int low = escaped_high_byte(at + 6, end);
            if (low < 0xDC || low > 0xDF) { return false; }
            at += 12;
        } else {
            at += 2;
            if (at > end) { break; }
        }
    }
    return true;
}

static bool is_digit(uint8_t byte) { return byte >= '0' && byte <= '9'; }

// Copies the line with `e0` after each integer of 19 digits or more, so that simdjson reads it as a double instead of
// refusing it. Returns the copy's length, 0 if there is no such integer or no memory. An integer of 19 or 20 digits that fits
// stays exact, because this copy is made only after the line was refused for some number; then exactness of its neighbours
// is kept by leaving what fits in 64 bits alone.
static size_t rewrite_big_integers(nudged_json_parser *parser, const uint8_t *line, size_t length) {
    // An integer that needs it has at least 20 bytes, the addition 2.
    size_t needed = length + length / 8 + 16 + simdjson::SIMDJSON_PADDING;
    if (parser->rewritten_capacity < needed) {
        parser->rewritten.reset(new (std::nothrow) uint8_t[needed]);
        parser->rewritten_capacity = parser->rewritten ? needed : 0;
        if (!parser->rewritten) { return 0; }
    }
    const uint8_t *at = line, *end = line + length;
    uint8_t *out = parser->rewritten.get();
    bool changed = false, in_string = false;
    while (at < end) {
        if (in_string) {
            if (*at == '\\' && at + 1 < end) { *out++ = *at++; }
            else if (*at == '"') { in_string = false; }
            *out++ = *at++;
            continue;
        }
        if (*at == '"') { in_string = true; }
        if (*at != '-' && !is_digit(*at)) {
            *out++ = *at++;
            continue;
        }
        bool negative = *at == '-';
        const uint8_t *digits = at + (negative ? 1 : 0), *stop = digits;
        while (stop < end && is_digit(*stop)) { stop++; }
        const bool is_integer = stop == end || (*stop != '.' && *stop != 'e' && *stop != 'E' && *stop != '+' && *stop != '-');
        const size_t count = size_t(stop - digits);
        const char *limit = negative ? "9223372036854775808" : "18446744073709551615";
        const size_t limit_count = strlen(limit);
        const bool is_big = count > limit_count || (count == limit_count && memcmp(digits, limit, count) > 0);
        memcpy(out, at, size_t(stop - at));
        out += stop - at;
        at = stop;
        if (is_integer && is_big) {
            *out++ = 'e';
            *out++ = '0';
            changed = true;
        } else if (!is_integer) {
            // The rest of the number, so that its fraction is not taken for an integer.
            while (at < end && (is_digit(*at) || *at == '.' || *at == 'e' || *at == 'E' || *at == '+' || *at == '-')) {
                *out++ = *at++;
            }
        }
    }
    if (!changed) { return 0; }
    const size_t size = size_t(out - parser->rewritten.get());
    memset(out, ' ', simdjson::SIMDJSON_PADDING);
    return size;
}

nudged_json_document nudged_json_parse(nudged_json_parser *parser, const uint8_t *line, size_t length) {
    nudged_json_document result = {nullptr, nullptr, NUDGED_JSON_NO_MEMORY};
    if (!reserve(parser, length)) { return result; }
    simdjson::error_code error = parser->implementation->parse(line, length, parser->document);
    if (simdjson_unlikely(error == simdjson::NUMBER_ERROR)) {
        const size_t size = rewrite_big_integers(parser, line, length);
        if (size > 0) {
            if (!reserve(parser, size)) { return result; }
            error = parser->implementation->parse(parser->rewritten.get(), size, parser->document);
        }
    }
    if (simdjson_unlikely(error)) {
        if (error == simdjson::MEMALLOC) { return result; }
        // Which of several faults simdjson names first depends on the machine; invalid UTF-8 always counts before the others.
        if (!simdjson::validate_utf8(reinterpret_cast<const char *>(line), length)) {
            result.outcome = NUDGED_JSON_BAD_UTF8;
        } else {
            result.outcome = error == simdjson::DEPTH_ERROR ? NUDGED_JSON_TOO_DEEP : NUDGED_JSON_BAD;
        }
        return result;
    }
    if (simdjson_unlikely(!surrogates_are_paired(line, length))) {
        result.outcome = NUDGED_JSON_BAD;
        return result;
    }
    result.tape = parser->document.tape.get();
    result.strings = parser->document.string_buf.get();
    result.outcome = NUDGED_JSON_OK;
    return result;
}
