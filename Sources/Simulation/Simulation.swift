// A seeded shop.
