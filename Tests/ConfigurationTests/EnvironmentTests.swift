import Configuration
import Engine
import Testing

@Suite struct EnvironmentTests {
    @Test(arguments: [
        ("${NAME}", "value"), ("a${NAME}b", "avalueb"), ("${NAME}${NAME}", "valuevalue"), ("${NONE:-x y}", "x y"),
        ("${NONE:-}", ""),
        ("${EMPTY:-x}", "x"), ("${EMPTY}", ""), ("${NAME:-x}", "value"), ("$NAME", "$NAME"), ("~/x", "~/x"),
        ("$$ {NAME}", "$$ {NAME}"),
        ("${LOOP}", "${NAME}"),
    ]) func valuesAreExpandedOnce(text: String, expected: String) throws {
        let (configuration, issues) = try load(
            head + "delivery: { salt: \"\(text)\" }\n", environment: ["NAME": "value", "EMPTY": "", "LOOP": "${NAME}"])
        #expect(issues == [])
        #expect(configuration?.delivery.salt == expected)
    }

    @Test(arguments: [
        ("state: ${NONE}", "3:8 the environment variable NONE is not set | Set it, or give a default: ${NONE:-…}."),
        ("state: \"${NONE\"", "3:9 \"${\" has no closing brace | Write ${NAME} or ${NAME:-default}."),
        ("state: a${1X}", "3:8 \"${1X}\" does not name an environment variable | Write ${NAME} or ${NAME:-default}."),
        ("state: ${}", "3:8 \"${}\" does not name an environment variable | Write ${NAME} or ${NAME:-default}."),
        ("lateness: ${NAME}", "3:11 `lateness` is a duration, not \"value\" | Write for example 90s, 15m, 48h, 7d, 2w or 1d12h."),
    ]) func whatIsMissingIsNamed(text: String, expected: String) throws {
        #expect(try load(head + text + "\n", environment: ["NAME": "value"]).1 == [expected])
    }

    @Test func keysStayAsTheyAre() throws {
        let (configuration, issues) = try load(head + "segments: { \"${NAME}\": \"${NAME}\" }\n", environment: ["NAME": "value"])
        #expect(issues == [])
        #expect(configuration?.definitions.segments.map(\.name.value) == ["${NAME}"])
        #expect(configuration?.definitions.segments.map(\.condition.value) == ["value"])
    }
}
