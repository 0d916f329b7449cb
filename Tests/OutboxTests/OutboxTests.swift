import Testing

@Suite struct OutboxTests {}
