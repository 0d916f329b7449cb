import Engine

/// The engine's decimal under a name that stays clear beside Foundation's (the module's name is also that of its main type).
typealias ExactDecimal = Decimal
