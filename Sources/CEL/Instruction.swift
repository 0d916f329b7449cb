/// One step of a program. What `a`, `b` and `c` are is said at each opcode.
struct Instruction: Sendable {
    enum Opcode: UInt8, Sendable {
        /// Pushes constant `a`.
        case constant
        /// Pushes the host's value of reference `a`.
        case load
        /// Pushes the host's value of reference `a` as an optional, which is nothing where there is none.
        case loadOptional
        /// Pushes whether the host has reference `a`.
        case hasReference
        /// Pushes `reference a <operator c> constant b`: the shape of most conditions, without touching the stack for its parts.
        case compareLoad
        /// Pushes the size of the host's value of reference `a` and goes to `b`, if the host knows it without making the value.
        case sizeLoad
        /// Calls the host's function `a` with `b` arguments, below them the target if `c` is 1.
        case hostCall
        /// Pushes place `a` of the frame.
        case local
        /// Replaces the top by its field named by constant `a`, or by whether it has it.
        case select, hasField
        /// Replaces container and key by the element.
        case index
        /// Likewise, by an optional.
        case optionalSelect, optionalIndex
        /// Takes the top into place `a` of the frame.
        case store
        /// Takes an optional's value into place `a` of the frame; leaves it and goes to `b` if it has none.
        case takeValue
        /// Makes the top an optional, or fails if it is none.
        case wrap, expectOptional
        /// `x.or(…)` and, if `b` is 1, `x.orValue(…)`: goes to `a` if the optional has a value, else takes it off.
        case orElse
        case not, negate
        /// Replaces two by the result of operator `a`.
        case binary
        /// Replaces the top by `top <operator a> constant b`.
        case binaryConstant
        case jump
        /// Takes a bool; goes to `a` if false.
        case branchFalse
        /// Looks at the first operand of a chain: goes to `a` if it decides the chain.
        case andFirst, orFirst
        /// Joins one more operand to what the chain is so far: goes to `a` if it decides the chain.
        case andNext, orNext
        /// The chain is through: its errors count now.
        case chainEnd
        /// Calls builtin `a` with `b` arguments.
        case call
        /// Replaces the top by whether regular expression `a` matches it.
        case matches
        /// Replaces `a` values (or `a` keys and values) by a list (a map).
        case list, map
        /// Likewise; at the places of constant `b`, a list of int, are optionals, which are left out if they have no value.
        case sparseList, sparseMap
        /// Takes the range of a loop into the frame at `a`; `b` is the kind of loop.
        case loopBegin
        /// Sets the loop's variables to the next element, `c` of them; goes to `b` if there is none.
        case loopNext
        /// Takes the answer for one element; goes on at `b`, or to `c` if the loop is decided.
        case loopAll, loopExists
        /// All elements are through: pushes the result.
        case loopAllEnd, loopExistsEnd
        /// Counts an answer of `exists_one`.
        case loopCount, loopCountEnd
        /// Adds the top to the result of the loop at `a`.
        case loopAppend, loopAppendEntry
        case loopListEnd, loopMapEnd
        /// Fails with the words of constant `a`.
        case failure
        case end
    }

    let opcode: Opcode
    var a: Int32 = 0
    var b: Int32 = 0
    var c: Int32 = 0
}

/// Where an error goes: a chain of `&&` or `||`, or a loop, that may yet not need the part that failed.
struct Handler: Sendable {
    /// The instruction that looks at the error.
    var target: Int
    /// Height of the stack there, before the place of the failed value.
    let height: Int
}

extension BinaryOperator {
    private static let all: [BinaryOperator] = [
        .equal, .notEqual, .less, .lessOrEqual, .greater, .greaterOrEqual, .add, .subtract, .multiply, .divide, .remainder, .isIn,
    ]

    var code: Int32 { Int32(Self.all.firstIndex(of: self) ?? 0) }

    init?(code: Int32) {
        guard Self.all.indices.contains(Int(code)) else { return nil }
        self = Self.all[Int(code)]
    }
}
