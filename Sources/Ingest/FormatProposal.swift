import Engine

/// A mapping for a log that no preset knows, guessed from the names and values of its fields.
package struct FormatProposal: Sendable {
    package let mapping: MappingFormat
    /// What a person has to look at besides, one sentence each.
    package private(set) var remarks: [String] = []

    /// What is known of one field over all lines.
    private struct Field {
        var path: String
        var count = 0
        var values: Set<String> = []
        var texts = 0
        /// Texts that hold a JSON object themselves.
        var packedObjects = 0
        var objects = 0
        /// How many of its values are times, by unit.
        var times: [MappingFormat.Unit: Int] = [:]

        var name: Substring { path.split(separator: ".").last ?? "" }
    }

    /// What logs call things, likeliest first.
    private static let times = [
        "timestamp", "ts", "time", "event_time", "at", "occurred_at", "created_at", "created", "date", "datetime",
    ]
    private static let events = ["event", "event_name", "event_type", "type", "action", "name", "kind", "activity"]
    private static let customers = [
        "user_id", "userid", "user", "customer_id", "customerid", "customer", "uid", "account_id", "account", "member_id",
        "client_id", "distinct_id",
    ]
    private static let visitors = [
        "anonymous_id", "anonymousid", "visitor_id", "visitor", "device_id", "user_pseudo_id", "session_id", "session",
        "cookie",
    ]
    private static let ids = ["message_id", "messageid", "event_id", "eventid", "insert_id", "$insert_id", "id", "uuid"]
    /// What logs call the object that holds an event's properties.
    private static let bags = ["properties", "event_properties", "props", "params", "attributes"]
    private static let properties = [
        "product_id": ["product_id", "productid", "item_id", "itemid", "item", "product", "article", "sku"],
        "quantity": ["quantity", "qty", "count"], "price": ["price", "unit_price"], "variant": ["variant", "variant_id", "size"],
        "order_id": ["order_id", "orderid"], "cart_id": ["cart_id", "cartid", "basket_id"],
        "available": ["available", "stock", "in_stock"],
    ]
    private static let names = [
        "Product Viewed": ["pv", "view", "views", "click", "clicks", "product_view", "view_item", "product_viewed"],
        "Product Added": ["cart", "carts", "add_to_cart", "addtocart", "cart_add", "product_added"],
        "Product Removed": ["remove_from_cart", "cart_remove", "product_removed"],
        "Product Added to Wishlist": ["fav", "favourite", "favorite", "wishlist", "add_to_wishlist"],
        "Checkout Started": ["begin_checkout", "checkout", "checkout_started"],
        "Order Completed": ["buy", "purchase", "order", "orders", "transaction", "order_completed"],
        "Order Refunded": ["refund", "refunded"], "Page Viewed": ["page_view", "pageview", "page"],
        "Product Stock Changed": ["stock", "stock_changed", "inventory"],
    ]

    /// Nil if no field of the lines is a time.
    package init?(for text: [[UInt8]]) {
        let objects = text.compactMap { JSONText.pack($0) }.map { JSONView(bytes: $0, offset: 0) }.filter { $0.tag == .object }
        var fields: [Field] = []
        for object in objects { Self.collect(object, under: "", into: &fields) }
        let common = fields.filter { $0.count * 10 >= objects.count * 9 }
        func pick(_ words: [String], _ isFit: (Field) -> Bool) -> Field? {
            for word in words {
                if let field = common.first(where: { $0.name.lowercased() == word && isFit($0) }) { return field }
            }
            return nil
        }
        func unit(_ field: Field) -> MappingFormat.Unit? { field.times.first { $0.value * 10 >= field.count * 9 }?.key }
        guard let time = pick(Self.times, { unit($0) != nil }) ?? common.first(where: { unit($0) != nil }), let unit = unit(time)
        else { return nil }
        let event = pick(Self.events) { $0.texts == $0.count && $0.values.count <= max(20, $0.count / 5) && $0.path != time.path }
        let visitor = pick(Self.visitors) { $0.objects == 0 }
        var user = pick(Self.customers) { $0.objects == 0 }
        if user == nil, visitor != nil {
            // Who is logged in on some lines only.
            user =
                Self.customers.lazy.compactMap { word in fields.first { $0.name.lowercased() == word && $0.objects == 0 } }.first
        }
        let id = pick(Self.ids) { $0.values.count == $0.count }
        let taken = [time, event, user, visitor, id].compactMap { $0?.path }
        func known(_ field: Field) -> String? {
            Self.properties.first { $0.value.contains(field.name.lowercased()) }?.key
        }
        // An object of properties is taken whole, unless something in it has to be called otherwise.
        let bag = common.first { field in
            field.objects == field.count && Self.bags.contains(field.name.lowercased())
                && !fields.contains { inner in
                    inner.path.hasPrefix(field.path + ".") && known(inner).map { $0 != inner.name } ?? false
                }
        }
        var members: [(name: String, path: String)] = []
        for isKnown in [true, false] {
            for field in fields where field.objects == 0 && !taken.contains(field.path) && members.count < 24 {
                // Deep inside only what has a known name is worth a place.
                guard (known(field) != nil) == isKnown, isKnown || field.path.count(where: { $0 == "." }) < 2 else { continue }
                let name =
                    known(field).flatMap { known in members.contains { $0.name == known } ? nil : known } ?? String(field.name)
                if !members.contains(where: { $0.name == name }) { members.append((name, field.path)) }
            }
        }
        var renamed: [String: String] = [:]
        for value in event?.values ?? [] {
            if let name = Self.names.first(where: { $0.value.contains(value.lowercased()) })?.key, name != value {
                renamed[value] = name
            }
        }
        // A log that names neither what happened nor to whom is mostly a watcher of products.
        let has = Set(members.map(\.name))
        let always =
            !has.contains("product_id")
            ? "Something Happened"
            : has.contains("available")
                ? StateEvent.productStockChanged.name
                : has.contains("price") ? StateEvent.productPriceChanged.name : StateEvent.productViewed.name
        mapping = MappingFormat(
            id: id?.path, customer: user?.path, anonymous: visitor?.path, event: event.map { .path($0.path) } ?? .always(always),
            time: MappingFormat.Time(path: time.path, unit: unit), names: renamed,
            properties: bag.map { MappingFormat.Properties.object($0.path) }
                ?? (members.contains { $0.name != $0.path } ? .members(members) : .others))
        if user == nil, visitor == nil, event != nil || !has.contains("product_id") {
            remarks.append(
                "No field looks like the id of a customer: add `customer` with its path. Without one only events of products count."
            )
        }
        for field in common where field.packedObjects * 10 >= field.count * 9 {
            remarks.append(
                "`\(field.path)` holds JSON as text, into which a mapping can't look: let the collector write the object itself (Fluent Bit: a filter of the kind parser; Vector: parse_json)."
            )
        }
    }

    /// Counts the fields of an object and of the objects inside it, two levels deep.
    private static func collect(_ object: JSONView, under prefix: String, depth: Int = 0, into fields: inout [Field]) {
        for (name, value) in object.entries.prefix(64) where !name.isEmpty && !name.utf8.contains(UInt8(ascii: ".")) {
            let text = value.tag == .object ? "" : value.bool == nil ? value.identifier : nil
            guard let text else { continue }
            let path = prefix + name
            let index = fields.firstIndex { $0.path == path } ?? fields.count
            if index == fields.count {
                guard fields.count < 256 else { continue }
                fields.append(Field(path: path))
            }
            fields[index].count += 1
            if value.tag == .object {
                fields[index].objects += 1
                if depth < 2 { collect(value, under: path + ".", depth: depth + 1, into: &fields) }
                continue
            }
            if value.tag == .string {
                fields[index].texts += 1
                if text.utf8.first == UInt8(ascii: "{"), JSONText.pack(Array(text.utf8)) != nil {
                    fields[index].packedObjects += 1
                }
            }
            if fields[index].values.count < 2000 { fields[index].values.insert(text) }
            if let unit = unit(value) { fields[index].times[unit, default: 0] += 1 }
        }
    }

    /// The unit in which a value is a time of the years 2000 to 2099.
    private static func unit(_ value: JSONView) -> MappingFormat.Unit? {
        if let bytes = value.stringBytes { return Instant.parse(rfc3339: bytes) == nil ? nil : .rfc3339 }
        guard let number = value.number else { return nil }
        switch number {
        case 946_684_800..<4_102_444_800: return .s
        case 946_684_800e3..<4_102_444_800e3: return .ms
        case 946_684_800e6..<4_102_444_800e6: return .us
        default: return nil
        }
    }

    /// The mapping as the configuration writes it, `indent` before each line.
    package func yaml(indent: String) -> String {
        func quoted(_ text: String) -> String {
            let plain = text.utf8.allSatisfy {
                $0 == 0x5F || $0 == 0x2E || $0 == 0x20 || ($0 >= 0x30 && $0 <= 0x39) || ($0 | 0x20 >= 0x61 && $0 | 0x20 <= 0x7A)
            }
            return plain && text.utf8.first.map { $0 >= 0x41 } ?? false ? text : CanonicalJSON.string(text).text
        }
        func map(_ pairs: [(String, String)]) -> String {
            "{ " + pairs.map { "\(quoted($0)): \(quoted($1))" }.joined(separator: ", ") + " }"
        }
        var lines = ["format:"]
        if let id = mapping.id { lines.append("  id: \(quoted(id))") }
        if let customer = mapping.customer { lines.append("  customer: \(quoted(customer))") }
        if let anonymous = mapping.anonymous { lines.append("  anonymous: \(quoted(anonymous))") }
        switch mapping.event {
        case .path(let path): lines.append("  event: \(quoted(path))")
        case .always(let name): lines.append("  event: { always: \(quoted(name)) }   # what is every line? Put its name here.")
        }
        lines.append("  time: { path: \(quoted(mapping.time.path)), unit: \(mapping.time.unit.rawValue) }")
        if !mapping.names.isEmpty {
            lines.append("  names: " + map(mapping.names.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }))
        }
        switch mapping.properties {
        case .others: break
        case .members(let members): lines.append("  properties: " + map(members.map { ($0.name, $0.path) }))
        case .object(let path): lines.append("  properties: \(quoted(path))")
        }
        return lines.map { indent + $0 }.joined(separator: "\n")
    }
}
