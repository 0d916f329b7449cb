// The Outbox target.
