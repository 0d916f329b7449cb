// A bare simdjson pass over a log: the on-demand reader, a line at a time, six fields looked up by name and nothing kept. This is the
// floor under any program that reads the file at all.
//
//     pass LOG
//
// Prints the number of lines, of lines that are no JSON object, and the bytes that the fields have together (so that nothing can be
// left out by the compiler).
#include <fcntl.h>
#include <simdjson.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <vector>

using namespace simdjson;

int main(int count, char** arguments) {
    if (count != 2) {
        fputs("usage: pass LOG\n", stderr);
        return 64;
    }
    int file = open(arguments[1], O_RDONLY);
    if (file < 0) {
        perror(arguments[1]);
        return 66;
    }
    static const char* const names[] = {"type", "event", "messageId", "userId", "anonymousId", "timestamp"};
    const size_t block = 1 << 20;
    std::vector<char> buffer(2 * block + SIMDJSON_PADDING);
    ondemand::parser parser;
    size_t kept = 0, lines = 0, bad = 0, bytes = 0;
    for (;;) {
        // The padding behind what is read is always ours to touch: the buffer ends later.
        if (buffer.size() < kept + block + SIMDJSON_PADDING) buffer.resize(kept + block + SIMDJSON_PADDING);
        ssize_t got = read(file, buffer.data() + kept, block);
        if (got < 0) {
            perror(arguments[1]);
            return 74;
        }
        size_t end = kept + static_cast<size_t>(got), start = 0;
        while (start < end) {
            auto* newline = static_cast<char*>(memchr(buffer.data() + start, '\n', end - start));
            if (!newline && got > 0) break;
            size_t length = (newline ? static_cast<size_t>(newline - buffer.data()) : end) - start;
            lines += 1;
            ondemand::document document;
            ondemand::object object;
            if (parser.iterate(buffer.data() + start, length, buffer.size() - start).get(document) ||
                document.get_object().get(object)) {
                bad += 1;
            } else {
                for (auto* name : names) {
                    std::string_view value;
                    if (!object.find_field_unordered(name).get_string().get(value)) bytes += value.size();
                }
            }
            start += length + 1;
        }
        if (got == 0) break;
        kept = end - start;
        memmove(buffer.data(), buffer.data() + start, kept);
    }
    printf("%zu %zu %zu\n", lines, bad, bytes);
}
