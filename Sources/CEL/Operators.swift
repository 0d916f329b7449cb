extension BinaryOperator {
    /// The types that an arithmetic operator or an ordering takes and gives. Equality and `in` take anything comparable.
    var signatures: [StandardLibrary.Signature] {
        func make(_ left: Type, _ right: Type, _ result: Type) -> StandardLibrary.Signature {
            StandardLibrary.Signature(isMember: false, parameters: [left, right], result: result)
        }
        let numeric: [Type] = [.int, .uint, .double]
        switch self {
        case .less, .lessOrEqual, .greater, .greaterOrEqual:
            let same: [Type] = [.bool, .string, .bytes, .timestamp, .duration]
            return same.map { make($0, $0, .bool) } + numeric.flatMap { left in numeric.map { make(left, $0, .bool) } }
        case .add:
            let same: [Type] = numeric + [.string, .bytes, .duration, .list(.parameter(0))]
            return same.map { make($0, $0, $0) } + [
                make(.timestamp, .duration, .timestamp), make(.duration, .timestamp, .timestamp),
            ]
        case .subtract:
            return (numeric + [.duration]).map { make($0, $0, $0) }
                + [make(.timestamp, .duration, .timestamp), make(.timestamp, .timestamp, .duration)]
        case .multiply, .divide: return numeric.map { make($0, $0, $0) }
        case .remainder: return [Type.int, .uint].map { make($0, $0, $0) }
        case .equal, .notEqual: return [make(.parameter(0), .parameter(0), .bool)]
        case .isIn:
            return [
                make(.parameter(0), .list(.parameter(0)), .bool), make(.parameter(0), .map(.parameter(0), .parameter(1)), .bool),
            ]
        }
    }
}
