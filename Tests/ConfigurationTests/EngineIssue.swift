import Engine

/// The engine's issue, told apart from Testing's: `Engine.Issue` would look inside the type `Engine`.
typealias EngineIssue = Issue
