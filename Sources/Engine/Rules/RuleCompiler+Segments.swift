import CEL

/// Segments: their conditions, what they are made of, and when time alone may change them.
extension RuleCompiler {
    mutating func compileSegments() -> [Segment] {
        definitions.segments.compactMap { definition in
            // One that is wrong keeps its place, by which others name it; nothing comes of the rule set.
            let other = Located("profile.anonymous", at: definition.condition.position)
            guard
                let condition =
                    (compile(definition.condition, .segment, expecting: .bool)
                    ?? compile(other, .segment, expecting: .bool))?.condition
            else { return nil }
            var windows: [(series: Int, window: Milliseconds)] = []
            var dependencies: [Int] = []
            for referent in condition.referents {
                switch referent {
                case .count(let index, let window?), .sum(let index, let window?), .minimum(let index, let window?),
                    .maximum(let index, let window?), .average(let index, let window?), .distinct(let index, let window?),
                    .top(let index, let window?), .ordered(let index, let window?):
                    windows.append((index, window))
                case .member(let other): dependencies.append(other)
                case .segments:
                    issues.append(
                        Issue(
                            at: definition.condition.position, "a segment can't read `profile.segments`",
                            hint: "name the segment: profile.member(\"…\")"))
                default: break
                }
            }
            return Segment(
                name: definition.name.value, condition: condition, windows: windows, since: sinceComparisons(condition),
                dependencies: dependencies)
        }
    }

    /// Every `since` of a segment must stand on one side of a comparison with a constant, so that the moment at which it changes is
    /// known.
    mutating func sinceComparisons(_ condition: Condition) -> [(mark: Int, constant: Milliseconds)] {
        var found: [(mark: Int, constant: Milliseconds)] = []
        func mark(_ expression: Expression) -> Int? {
            guard let reference = expression.reference, case .since(let mark) = condition.references[reference].referent else {
                return nil
            }
            return mark
        }
        func span(_ expression: Expression) -> Int? {
            if case .duration(let nanoseconds)? = expression.constant { return nanoseconds }
            guard let reference = expression.reference, condition.references[reference].referent == .days,
                case .int(let days)? = condition.references[reference].arguments.first, days.magnitude < 100_000
            else { return nil }
            return days * 86_400_000_000_000
        }
        var misplaced: [Span] = []
        func visit(_ expression: Expression) {
            if mark(expression) != nil {
                misplaced.append(expression.span)
                return
            }
            if case .binary(let operation, let left, let right) = expression.kind {
                switch operation {
                case .less, .lessOrEqual, .greater, .greaterOrEqual, .equal, .notEqual:
                    if let mark = mark(left) ?? mark(right), let nanoseconds = span(left) ?? span(right) {
                        found.append((mark, Milliseconds(nanoseconds / 1_000_000)))
                        return
                    }
                default: break
                }
            }
            for child in expression.children { visit(child) }
        }
        visit(condition.program.expression)
        for span in misplaced {
            issues.append(
                Issue(
                    at: condition.text.position(ofCharacter: span.offset),
                    "in a segment, since(…) must be compared with a constant, so that the moment of the change is known",
                    hint: "write it as profile.since(\"…\") > days(14), or duration(\"336h\")"))
        }
        return found
    }

    /// Segments before those that use them; a cycle is reported.
    mutating func topologicalOrder(_ segments: [Segment]) -> [Int] {
        var order: [Int] = []
        var state = [Int](repeating: 0, count: segments.count)
        var cycles: [[Int]] = []
        func visit(_ index: Int, _ path: [Int]) {
            guard segments.indices.contains(index), state[index] != 2 else { return }
            if state[index] == 1 {
                cycles.append(Array(path[(path.firstIndex(of: index) ?? 0)...]) + [index])
                return
            }
            state[index] = 1
            for other in segments[index].dependencies { visit(other, path + [index]) }
            state[index] = 2
            order.append(index)
        }
        for index in segments.indices { visit(index, []) }
        for cycle in cycles {
            guard let first = cycle.first,
                let definition = definitions.segments.first(where: { $0.name.value == segments[first].name })
            else { continue }
            issues.append(
                Issue(
                    at: definition.name.position,
                    "segments use each other in a cycle: " + cycle.map { segments[$0].name }.joined(separator: " → ")))
        }
        return order
    }

    /// By segment: what may change it. Even a condition over what never changes is judged once, with the first event.
    func sensitivity(of segments: [Segment], order: [Int]) -> [SegmentSensitivity] {
        var found = [SegmentSensitivity](repeating: SegmentSensitivity(), count: segments.count)
        for index in order {
            var own = SegmentSensitivity()
            for referent in segments[index].condition.referents {
                switch referent {
                case .count(let series, _), .sum(let series, _), .minimum(let series, _), .maximum(let series, _),
                    .average(let series, _), .distinct(let series, _), .top(let series, _), .ordered(let series, _):
                    own.events.insert(vocabulary.number(of: self.series[series].event))
                case .ever(let mark), .first(let mark), .last(let mark), .since(let mark):
                    own.events.insert(vocabulary.number(of: marks[mark]))
                case .locale, .timezone, .traits: own.context = true
                case .member(let other): own.formUnion(found[other])
                case .profileID, .profileAnonymous, .distance, .days, .money: break
                default: own.always = true
                }
            }
            found[index] = own
        }
        return found
    }

    /// FNV-1a over what segments and calendars say.
    func judgement() -> UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        func add(_ text: String) {
            for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
            hash = (hash ^ 0xFF) &* 0x100_0000_01b3
        }
        for segment in definitions.segments {
            add(segment.name.value)
            add(segment.condition.value)
        }
        let hasCalendars = definitions.rules.contains { $0.start.contains { if case .calendar = $0 { true } else { false } } }
        // Local times of who has no zone of their own.
        if hasCalendars, let zone = definitions.delivery.timezone { add("zone \(zone)") }
        for rule in definitions.rules {
            for case .calendar(let name, let before, let minute) in rule.start {
                add("\(rule.name.value) \(name.value) \(before) \(minute)")
                for calendar in definitions.calendars where calendar.name.value.same(as: name.value) {
                    for country in calendar.days.keys.sorted() { add("\(country) \(calendar.days[country] ?? [])") }
                }
            }
        }
        return hash == 0 ? 1 : hash
    }
}
