import Engine

/// The issue of a configuration under a name that stays clear beside the test library's.
typealias ConfigurationIssue = Issue
