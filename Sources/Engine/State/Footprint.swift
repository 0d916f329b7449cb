/// About how many bytes of memory a value takes beside its own place: what its arrays and longer texts have allocated. Good to a tenth or so; by this
/// the cache of profiles is kept within its bound.
private func allocated<Element>(_ array: [Element]) -> Int {
    // The array's header and that of the allocator.
    array.capacity == 0 ? 0 : 40 + array.capacity * MemoryLayout<Element>.stride
}

/// Texts of up to 15 bytes need nothing beside their place.
private func allocated(_ text: String?) -> Int {
    guard let count = text?.utf8.count, count > 15 else { return 0 }
    return 48 + count
}

private func allocated(_ list: TextList) -> Int { list.capacity == 0 ? 0 : 40 + list.capacity }

private func allocated(_ starts: Starts) -> Int {
    starts.capacity == 0 ? 0 : 40 + starts.capacity * MemoryLayout<Instant>.stride
}

private func allocated(_ product: ProductKey?) -> Int { allocated(product?.id) + allocated(product?.variant) }

extension Profile {
    /// About how many bytes of memory the profile takes, with its place in the engine's indexes.
    var footprint: Int {
        var bytes = MemoryLayout<Profile>.stride + 96 + allocated(key.id)
        bytes += allocated(locale?.value) + allocated(timezone?.value)
        bytes += allocated(traits) + traits.reduce(0) { $0 + allocated($1.name) + allocated($1.value) }
        bytes += allocated(carts.list)
        for cart in carts.list {
            bytes += 40 + cart.textCapacity + allocated(cart.lines)
            for line in cart.lines {
                bytes += allocated(line.product) + allocated(line.name) + allocated(line.url) + allocated(line.imageURL)
            }
        }
        bytes += allocated(interests) + interests.reduce(0) { $0 + allocated($1.product) }
        bytes += allocated(subscriptions) + subscriptions.reduce(0) { $0 + allocated($1.id) }
        bytes +=
            allocated(marks) + allocated(segments) + allocated(sent) + allocated(calendarDays) + allocated(ofGoneRules)
            + allocated(activity.cells)
        bytes += allocated(series)
        for series in series {
            bytes += allocated(series.counts) + allocated(series.buckets)
            for bucket in series.buckets { bytes += allocated(bucket.value) }
        }
        bytes += allocated(instances)
        for instance in instances {
            bytes += allocated(instance.key) + allocated(instance.ownEventID)
            bytes += allocated(instance.because) + allocated(instance.properties)
        }
        bytes += allocated(past) + past.reduce(0) { $0 + allocated($1.key) + allocated($1.endedStarts) }
        bytes += allocated(sends) + sends.reduce(0) { $0 + allocated($1.key) + allocated($1.id) + allocated($1.rule) }
        bytes +=
            allocated(consent.statements) + consent.statements.reduce(0) { $0 + allocated($1.exceptions) }
            + allocated(seen.entries) + allocated(ended.entries)
        bytes += allocated(links) + links.reduce(0) { $0 + allocated($1) + 32 }
        return bytes
    }
}
