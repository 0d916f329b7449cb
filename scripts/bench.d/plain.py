#!/usr/bin/env python3
"""The job of the benchmark as a plain script: what a careful person would write in an afternoon instead of installing nudged.

    plain.py LOG --messages FILE [--database FILE] [--instance NAME]

Reads a Segment log once from the beginning and gives the messages of three rules (abandoned-cart, back-in-stock, churn-risk) and keeps
the two segments (frequent-visitor, lapsed). State is in dictionaries; with --database every dirty profile is written as one JSON row a
batch, together with the messages and the position, in one transaction with synchronous=FULL. It knows neither configuration nor
restarts, several files, late lines, delivery gates, dead letters or erasure, and memory grows with the customers: it is a yardstick for
speed and a second opinion on the messages, nothing more. A line that is late (beyond the lateness of two seconds) ends it with an error.

The last line of standard output is a JSON object with what it counted.
"""
import argparse
import base64
import collections
import hashlib
import heapq
import json
import sqlite3
import sys
from datetime import datetime, timedelta, timezone
from decimal import Decimal

try:
    import orjson

    PARSER = "orjson"
    loads = orjson.loads

    def dumps(value):
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()

except ImportError:
    PARSER = "json"
    loads = json.loads

    def dumps(value):
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


SECOND, HOUR, DAY = 1000, 3_600_000, 86_400_000
LATENESS = 2 * SECOND
DEDUPE = DAY
FORGET_CART = 30 * DAY
FORGET_WAITLIST = 180 * DAY
BATCH = 100_000

# Segments.
VISITS, VISITS_WITHIN = 5, 7 * DAY
LAPSED = 14 * DAY

CART_STARTS = frozenset(["Product Added", "Product Removed", "Cart Updated", "Checkout Started"])
CART_SNAPSHOTS = frozenset(["Cart Updated", "Cart Viewed", "Checkout Started"])
CARTS = CART_STARTS | CART_SNAPSHOTS
SUBSCRIPTIONS = frozenset(
    ["Payment Failed", "Payment Succeeded", "Subscription Started", "Subscription Cancelled", "Subscription Expired"])
OLD_NAMES = {
    "Added Product": "Product Added",
    "Removed Product": "Product Removed",
    "Viewed Product": "Product Viewed",
    "Completed Order": "Order Completed",
}
CALLS = {"page": "Page Viewed", "screen": "Screen Viewed", "identify": "Identify", "group": "Group", "alias": "Alias"}


# MARK: Times and numbers as text

days = {}


def milliseconds(text):
    """RFC 3339 to milliseconds since the epoch."""
    if len(text) == 24 and text[23] == "Z" and text[19] == ".":
        day = days.get(text[:10])
        if day is None:
            date = datetime(int(text[:4]), int(text[5:7]), int(text[8:10]), tzinfo=timezone.utc)
            day = days[text[:10]] = int(date.timestamp()) * 1000
        return day + int(text[11:13]) * 3_600_000 + int(text[14:16]) * 60_000 + int(text[17:19]) * 1000 + int(text[20:23])
    date = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return (date - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(milliseconds=1)


def timestamp(time):
    date = datetime(1970, 1, 1) + timedelta(milliseconds=time)
    return date.isoformat(timespec="milliseconds") + "Z"


def decimal(value):
    return None if value is None else Decimal(repr(value) if isinstance(value, float) else str(value))


def plain(value):
    """An exact decimal without trailing zeros."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def number(value):
    """A decimal as a JSON number."""
    return int(value) if value == value.to_integral_value() else float(value)


# MARK: State


class Customer:
    __slots__ = (
        "id", "anonymous", "first_seen", "last_seen", "locale", "timezone", "traits", "carts", "waitlist", "subscriptions",
        "running", "ended", "sent", "visits", "visits_total", "visited_at", "paid", "ordered_at", "segments", "moved_to", "visit_due")

    def __init__(self, id, anonymous, time):
        self.id = id
        self.anonymous = anonymous
        self.first_seen = self.last_seen = time
        self.locale = self.timezone = None
        self.traits = {}
        self.carts = {}  # id → Cart, the last touched last
        self.waitlist = {}  # product → (since, last)
        self.subscriptions = {}
        self.running = {}  # (rule, key) → Instance
        self.ended = {}  # (rule, key) → time of the last start of what has ended
        self.sent = {}  # rule → time of the last message
        self.visits = collections.deque()  # [end of the hour, count]
        self.visits_total = 0
        self.visited_at = self.ordered_at = None
        self.paid = Decimal(0)
        self.segments = {}  # name → entered at
        self.moved_to = None
        self.visit_due = None

    @property
    def text(self):
        return "anonymous:" + self.id if self.anonymous else self.id

    def row(self):
        return dumps({
            "first_seen": self.first_seen, "last_seen": self.last_seen, "locale": self.locale, "timezone": self.timezone,
            "traits": self.traits,
            "carts": [[c.id, c.touched_at, sorted(c.links), [[*k, str(l[0])] + l[1:] for k, l in c.lines.items()]] for c in self.carts.values()],
            "waitlist": [[*k, *v] for k, v in self.waitlist.items()],
            "subscriptions": list(self.subscriptions.values()),
            "running": [[r, k, i.started_at, i.due, list(i.because)] for (r, k), i in self.running.items()],
            "ended": [[r, k, t] for (r, k), t in self.ended.items()],
            "sent": self.sent, "visits": list(self.visits), "visited_at": self.visited_at, "ordered_at": self.ordered_at,
            "paid": str(self.paid), "segments": self.segments,
        })


class Cart:
    __slots__ = ("id", "touched_at", "lines", "links")

    def __init__(self, id, time):
        self.id = id
        self.touched_at = time
        self.lines = {}  # (product, variant) → [quantity, price, currency, name, url, image]
        self.links = set()


class Product:
    __slots__ = ("available", "was_available", "price", "was_price", "currency", "name", "waiting", "in_line")

    def __init__(self):
        self.available = self.was_available = 0
        self.price = self.was_price = self.currency = self.name = None
        self.waiting = {}  # customer → since
        self.in_line = []  # instances that stand in line, in order


class Instance:
    __slots__ = ("rule", "key", "customer", "started_at", "due", "because", "queued", "product", "ended")

    def __init__(self, rule, key, customer, time, due):
        self.rule = rule
        self.key = key
        self.customer = customer
        self.started_at = time
        self.due = due
        self.because = collections.deque(maxlen=16)
        self.queued = False
        self.product = None
        self.ended = False


class Job:
    def __init__(self, instance, output, database):
        self.instance = instance
        self.output = output
        self.users = {}
        self.visitors = {}  # anonymous id → customer; a user once it is linked
        self.products = {}
        self.seen = {}
        self.seen_order = collections.deque()
        self.timers = []
        self.moments = []
        self.pushed = 0
        self.sequence = 0
        self.messages = []
        self.counts = collections.Counter()
        self.dirty = set()
        self.gone = []
        self.database = None
        if database:
            self.database = sqlite3.connect(database, isolation_level=None)
            self.database.execute("PRAGMA journal_mode=WAL")
            self.database.execute("PRAGMA synchronous=FULL")
            self.database.executescript(
                "CREATE TABLE customer (id TEXT PRIMARY KEY, row TEXT) WITHOUT ROWID;"
                "CREATE TABLE message (sequence INTEGER PRIMARY KEY, json TEXT);"
                "CREATE TABLE position (offset INTEGER);")

    # MARK: Reading

    def run(self, log):
        waiting = []
        watermark = newest = None
        place = offset = 0
        with open(log, "rb", buffering=1 << 20) as lines:
            for line in lines:
                offset += len(line)
                event = self.decode(line)
                if event is None:
                    continue
                time = event[0]
                place += 1
                if watermark is not None and time < watermark:
                    sys.exit(f"{log}: the line that ends at byte {offset} is late; this script can't judge it")
                heapq.heappush(waiting, (time, place, event))
                if newest is None or time > newest:
                    newest = time
                    watermark = time - LATENESS
                while waiting and waiting[0][0] < watermark:
                    self.apply(heapq.heappop(waiting)[2])
                if self.database and place % BATCH == 0:
                    self.commit(offset)
        while waiting:
            self.apply(heapq.heappop(waiting)[2])
        if newest is not None:
            self.pass_time(newest + 1)
        self.commit(offset)
        self.counts["lines"] = place

    def decode(self, line):
        try:
            call = loads(line)
        except ValueError:
            self.counts["bad lines"] += 1
            return None
        kind = call.get("type")
        name = call.get("event") if kind == "track" else CALLS.get(kind)
        if name is None:
            self.counts["bad lines"] += 1
            return None
        name = OLD_NAMES.get(name, name)
        text = call.get("timestamp") or call.get("originalTimestamp") or call.get("sentAt") or call.get("receivedAt")
        time = milliseconds(text)
        received = call.get("receivedAt")
        if received is not None and received < text:
            time = min(time, milliseconds(received))
        return time, name, call

    # MARK: Time

    def pass_time(self, now):
        """Everything that is due before `now`."""
        timers, moments = self.timers, self.moments
        while True:
            first = timers[0][0] if timers else now
            if moments and moments[0][0] < now and moments[0][0] <= first:
                time, _, customer = heapq.heappop(moments)
                if customer.moved_to is None:
                    self.judge(customer, time, due=True)
            elif first < now:
                due, _, _, _, _, _, instance = heapq.heappop(timers)
                if instance.ended or instance.queued:
                    continue
                if instance.due > due:
                    self.schedule(instance)
                else:
                    self.fire(instance, due)
            else:
                return

    def schedule(self, instance, place=0):
        self.pushed += 1
        heapq.heappush(
            self.timers, (instance.due, instance.rule, place, instance.customer.text, instance.key, self.pushed, instance))

    # MARK: Applying an event

    def apply(self, event):
        time, name, call = event
        if (self.timers and self.timers[0][0] < time) or (self.moments and self.moments[0][0] < time):
            self.pass_time(time)
        user, visitor = call.get("userId"), call.get("anonymousId")
        properties = call.get("properties") or {}
        id = call.get("messageId") or ""
        if not user and not visitor:
            self.apply_product(time, name, id, properties)
            return
        customer = self.who(user, visitor, time)
        if id:
            known = self.seen.get(id)
            if known is not None and abs(time - known[1]) < DEDUPE and self.follow(known[0]) is customer:
                self.counts["duplicates"] += 1
                return
            self.remember(id, customer, time)
        self.counts["events"] += 1
        if self.database:
            self.dirty.add(customer)
        if time > customer.last_seen:
            customer.last_seen = time
        context = call.get("context")
        if context:
            locale, zone = context.get("locale"), context.get("timezone")
            if locale:
                customer.locale = locale
            if zone:
                customer.timezone = zone
            if context.get("traits"):
                customer.traits.update(context["traits"])
        if call.get("traits"):
            customer.traits.update(call["traits"])

        if name == "Page Viewed":
            customer.visited_at = time
            end = time // HOUR * HOUR + HOUR
            visits = customer.visits
            if visits and visits[-1][0] == end:
                visits[-1][1] += 1
            else:
                visits.append([end, 1])
            customer.visits_total += 1
        elif name in CARTS:
            self.cart_event(customer, time, name, id, properties)
        elif name == "Order Completed":
            self.order(customer, time, properties)
        elif name == "Back In Stock Requested":
            key = product_of(properties)
            if key and self.product(key).available <= 0:
                since = customer.waitlist[key][0] if key in customer.waitlist else time
                customer.waitlist[key] = (since, time)
                self.product(key).waiting[customer] = since
        elif name == "Back In Stock Cancelled":
            key = product_of(properties)
            if key:
                self.leave(customer, key)
            self.cancel(customer, "back-in-stock", [text_of(key)] if key else None)
        elif name in SUBSCRIPTIONS:
            self.subscription(customer, time, name, id, properties)
        self.judge(customer, time)

    def who(self, user, visitor, time):
        """The customer, after linking the visitor to the user if the event names both."""
        if user:
            customer = self.users.get(user)
            if customer is None:
                customer = self.users[user] = Customer(user, False, time)
            if visitor:
                known = self.visitors.get(visitor)
                if known is None:
                    self.visitors[visitor] = customer
                elif known.anonymous:
                    self.merge(known, customer)
                    self.visitors[visitor] = customer
            return customer
        customer = self.visitors.get(visitor)
        if customer is None:
            customer = self.visitors[visitor] = Customer(visitor, True, time)
        return customer

    def follow(self, customer):
        while customer.moved_to is not None:
            customer = customer.moved_to
        return customer

    def remember(self, id, whose, time):
        self.seen[id] = (whose, time)
        order = self.seen_order
        order.append((time, id))
        while order[0][0] <= time - DEDUPE - LATENESS:
            past, old = order.popleft()
            if self.seen[old][1] == past:
                del self.seen[old]

    # MARK: Products

    def product(self, key):
        product = self.products.get(key)
        if product is None:
            product = self.products[key] = Product()
        return product

    def apply_product(self, time, name, id, properties):
        key = product_of(properties)
        if key is None or name not in ("Product Stock Changed", "Product Price Changed"):
            return
        product = self.product(key)
        if id:
            known = self.seen.get(id)
            if known is not None and known[0] is product and abs(time - known[1]) < DEDUPE:
                self.counts["duplicates"] += 1
                return
            self.remember(id, product, time)
        self.counts["events"] += 1
        if properties.get("name"):
            product.name = properties["name"]
        if name == "Product Price Changed":
            product.was_price, product.price = product.price, decimal(properties.get("price"))
            if properties.get("currency"):
                product.currency = properties["currency"]
            return
        product.was_available = product.available
        product.available = properties.get("available", 0)
        if product.available > 0 and product.was_available == 0:
            self.start_line(key, product, time, id)

    def start_line(self, key, product, time, id):
        """Everyone who asked is in line, the earliest first; as many as there are pieces are taken."""
        text = text_of(key)
        audience = sorted(
            (since, customer.text, customer) for customer, since in product.waiting.items()
            if customer.waitlist[key][1] > time - FORGET_WAITLIST)
        line = []
        for _, _, customer in audience:
            instance = customer.running.get(("back-in-stock", text))
            if instance is None:
                if customer.ended.get(("back-in-stock", text)) == time:
                    continue
                instance = Instance("back-in-stock", text, customer, time, time)
                instance.product = key
                customer.running["back-in-stock", text] = instance
            instance.started_at = instance.due = time
            instance.queued = True
            if id:
                instance.because.append(id)
            line.append(instance)
        chosen = set(map(id_of, line))
        # Whoever is in line and no longer asks keeps waiting, behind the others.
        line += [instance for instance in product.in_line if id_of(instance) not in chosen]
        taken = line[: int(product.available)]
        product.in_line = line[len(taken):]
        for place, instance in enumerate(taken):
            instance.queued = False
            self.schedule(instance, place)

    def leave(self, customer, key):
        if customer.waitlist.pop(key, None) is not None:
            self.products[key].waiting.pop(customer, None)

    # MARK: Carts

    def current(self, customer):
        last = None
        for cart in customer.carts.values():
            if cart.lines:
                last = cart
        if last is None and customer.carts:
            last = next(reversed(customer.carts.values()))
        return last.id if last else ""

    def linked(self, customer, properties):
        for name in ("checkout_id", "order_id"):
            id = properties.get(name)
            if id:
                for cart in reversed(customer.carts.values()):
                    if id in cart.links:
                        return cart.id
        return None

    def touch(self, customer, id, time):
        """The cart, touched, so that it is the last one."""
        carts = customer.carts
        for old in [cart for cart in carts.values() if cart.touched_at <= time - FORGET_CART]:
            del carts[old.id]
        cart = carts.pop(id, None) or Cart(id, time)
        cart.touched_at = time
        carts[id] = cart
        return cart

    def cart_event(self, customer, time, name, id, properties):
        target = properties.get("cart_id") or self.linked(customer, properties)
        if target is None:
            target = self.current(customer)
        cart = self.touch(customer, target, time)
        if name == "Product Added":
            key = product_of(properties)
            if key:
                add(cart, key, properties, properties.get("currency"))
        elif name == "Product Removed":
            key = product_of(properties)
            if key:
                take(cart, key, properties.get("quantity"))
        else:
            if isinstance(properties.get("products"), list):
                cart.lines = {}
                for mention in properties["products"]:
                    key = product_of(mention)
                    if key:
                        add(cart, key, mention, properties.get("currency"))
            if name == "Checkout Started":
                cart.links.update(properties[link] for link in ("checkout_id", "order_id") if properties.get(link))
        if name in CART_STARTS:
            self.start(customer, "abandoned-cart", target, time, 48 * HOUR, id, restart=True)

    def order(self, customer, time, properties):
        mentions = properties.get("products")
        bought = [(product_of(mention), mention.get("quantity", 1)) for mention in mentions or [] if product_of(mention)]
        target = properties.get("cart_id")
        if target and target not in customer.carts and any(cart.lines for cart in customer.carts.values()):
            target = None
        if not target:
            target = self.linked(customer, properties)
        if target is None:
            best = 0
            for cart in customer.carts.values():
                overlap = sum(min(quantity, cart.lines[key][0]) for key, quantity in bought if key in cart.lines)
                if overlap > 0 and overlap >= best:
                    target, best = cart.id, overlap
        if target is None:
            target = self.current(customer)
        cart = self.touch(customer, target, time)
        if bought:
            for key, quantity in bought:
                take(cart, key, quantity)
                self.leave(customer, key)
        else:
            cart.lines = {}
        customer.ordered_at = time
        heapq.heappush(self.moments, (time + LAPSED, self.counts["events"], customer))
        self.cancel(customer, "abandoned-cart", [target])
        if mentions is not None:
            self.cancel(customer, "back-in-stock", [text_of(key) for key, _ in bought] or None)

    # MARK: Subscriptions

    def subscription(self, customer, time, name, id, properties):
        key = properties.get("subscription_id") or ""
        own = customer.subscriptions.get(key)
        if own is None:
            own = customer.subscriptions[key] = {"id": key, "status": "active", "issue_open": False, "attempts": 0}
        if name == "Payment Failed":
            if not own["issue_open"]:
                own.update(issue_open=True, issue_since=time, attempts=0, status="past_due")
            own["attempts"] = max(own["attempts"] + 1, properties.get("attempt") or 0)
            for field in ("decline", "next_attempt", "grace_ends"):
                if properties.get(field):
                    own[field] = properties[field]
            if properties.get("amount") is not None:
                own["amount"] = plain(decimal(properties["amount"]))
                own["currency"] = properties.get("currency")
            self.start(customer, "churn-risk", key, time, 72 * HOUR, id, restart=False)
            return
        if name == "Payment Succeeded":
            if isinstance(properties.get("amount"), (int, float)):
                customer.paid += decimal(properties["amount"])
            own.update(issue_open=False, status="active")
        elif name == "Subscription Started":
            own["status"] = "active"
            return
        else:
            own["status"] = "cancelled" if name == "Subscription Cancelled" else "expired"
        self.cancel(customer, "churn-risk", [key])

    # MARK: Rules

    def start(self, customer, rule, key, time, wait, id, restart):
        if customer.ended.get((rule, key)) == time:
            return
        instance = customer.running.get((rule, key))
        if instance is None:
            instance = customer.running[rule, key] = Instance(rule, key, customer, time, time + wait)
            self.schedule(instance)
        elif restart:
            instance.started_at, instance.due = time, time + wait
        else:
            return
        if id:
            instance.because.append(id)

    def cancel(self, customer, rule, keys):
        """Ends the instances of these keys, or all of the rule."""
        for place in [(rule, key) for key in keys] if keys is not None else [p for p in customer.running if p[0] == rule]:
            instance = customer.running.get(place)
            if instance:
                self.end(instance, "cancelled")

    def end(self, instance, verdict):
        customer = instance.customer
        instance.ended = True
        del customer.running[instance.rule, instance.key]
        customer.ended[instance.rule, instance.key] = instance.started_at
        if instance.queued:
            self.products[instance.product].in_line.remove(instance)
        if self.database:
            self.dirty.add(customer)
        self.counts[verdict] += 1

    def fire(self, instance, now):
        customer, rule = instance.customer, instance.rule
        data = {}
        if rule == "abandoned-cart":
            cart = customer.carts.get(instance.key)
            if cart is None or not cart.lines:
                return self.end(instance, "condition_false")
            cooldown, expires = 7 * DAY, DAY
            data["cart"] = cart_data(cart)
        elif rule == "back-in-stock":
            product = self.products[instance.product]
            if product.available <= 0:
                return self.end(instance, "condition_false")
            cooldown, expires = 0, DAY
            data["product"] = {
                "product_id": instance.product[0], "variant": instance.product[1] or None, "available": product.available,
                "price": None if product.price is None else plain(product.price),
                "was_price": None if product.was_price is None else plain(product.was_price), "currency": product.currency,
                "name": product.name}
        else:
            own = customer.subscriptions[instance.key]
            if not own["issue_open"]:
                return self.end(instance, "condition_false")
            cooldown, expires = 14 * DAY, 7 * DAY
            idle = customer.visited_at is None or now - customer.visited_at > 336 * HOUR
            points = (own["attempts"] >= 3) + idle + (customer.paid >= 100)
            data.update(
                attempts=own["attempts"], paid=number(customer.paid), severity="high" if points >= 2 else "normal",
                subscription=dict(own, issue_since=timestamp(own["issue_since"])))
        if cooldown and now - customer.sent.get(rule, -cooldown) < cooldown:
            return self.end(instance, "cooldown")
        data["customer"] = {"id": customer.text, "locale": customer.locale, "timezone": customer.timezone}
        data["rule"], data["key"] = rule, instance.key
        data["started_at"], data["due_at"] = timestamp(instance.started_at), timestamp(instance.due)
        data["because"] = list(instance.because)
        cause = json.dumps([self.instance, rule, customer.text, instance.key, instance.started_at], separators=(",", ":"), ensure_ascii=False)
        digest = hashlib.sha256(cause.encode()).digest()[:20]
        self.sequence += 1
        message = dumps(without_nothing({
            "specversion": "1.0", "id": base64.b32encode(digest).decode().lower(), "source": "/nudged/" + self.instance,
            "type": "nudged.message", "subject": customer.text, "time": timestamp(now), "datacontenttype": "application/json",
            "expirytime": timestamp(instance.due + expires), "sequence": f"{self.sequence:016}", "data": data}))
        self.output.write(message + "\n")
        self.messages.append((self.sequence, message))
        self.end(instance, "published")
        customer.sent[rule] = now
        if rule == "back-in-stock":
            self.leave(customer, instance.product)

    # MARK: Segments

    def judge(self, customer, now, due=False):
        """Membership after an event, or when time alone may change it."""
        visits = customer.visits
        while visits and visits[0][0] <= now - VISITS_WITHIN:
            customer.visits_total -= visits.popleft()[1]
        if customer.visits_total >= VISITS:
            if "frequent-visitor" not in customer.segments:
                customer.segments["frequent-visitor"] = now
            # A later look is due when the first hour leaves the window; one at a time is enough.
            if customer.visit_due is None or customer.visit_due <= now:
                customer.visit_due = visits[0][0] + VISITS_WITHIN
                self.pushed += 1
                heapq.heappush(self.moments, (customer.visit_due, self.pushed, customer))
        elif "frequent-visitor" in customer.segments:
            del customer.segments["frequent-visitor"]
        if customer.ordered_at is not None:
            if now - customer.ordered_at >= LAPSED:
                customer.segments.setdefault("lapsed", now)
            else:
                customer.segments.pop("lapsed", None)
        if due and self.database:
            self.dirty.add(customer)

    # MARK: Links

    def merge(self, visitor, user):
        """A visitor turns out to be a user: everything moves."""
        visitor.moved_to = user
        self.dirty.discard(visitor)
        self.gone.append(visitor.text)
        user.first_seen = min(user.first_seen, visitor.first_seen)
        user.last_seen = max(user.last_seen, visitor.last_seen)
        user.locale = user.locale or visitor.locale
        user.timezone = user.timezone or visitor.timezone
        for name, value in visitor.traits.items():
            user.traits.setdefault(name, value)
        for id, cart in visitor.carts.items():
            own = user.carts.get(id)
            if own is None:
                user.carts[id] = cart
                continue
            newer = cart.touched_at > own.touched_at
            for key, line in cart.lines.items():
                mine = own.lines.get(key)
                own.lines[key] = line if mine is None else [mine[0] + line[0]] + (line if newer else mine)[1:]
            own.touched_at = max(own.touched_at, cart.touched_at)
            own.links |= cart.links
        user.carts = {cart.id: cart for cart in sorted(user.carts.values(), key=lambda cart: cart.touched_at)}
        for key, (since, last) in visitor.waitlist.items():
            own = user.waitlist.get(key, (since, last))
            user.waitlist[key] = (min(own[0], since), max(own[1], last))
            waiting = self.products[key].waiting
            waiting.pop(visitor, None)
            waiting[user] = user.waitlist[key][0]
        for key, own in visitor.subscriptions.items():
            user.subscriptions.setdefault(key, own)
        for rule, time in visitor.sent.items():
            user.sent[rule] = max(time, user.sent.get(rule, time))
        for place, time in visitor.ended.items():
            user.ended[place] = max(time, user.ended.get(place, time))
        user.paid += visitor.paid
        counts = collections.Counter()
        for end, count in [*user.visits, *visitor.visits]:
            counts[end] += count
        user.visits = collections.deque(map(list, sorted(counts.items())))
        user.visits_total += visitor.visits_total
        user.visited_at = max(filter(None, (user.visited_at, visitor.visited_at)), default=None)
        user.ordered_at = max(filter(None, (user.ordered_at, visitor.ordered_at)), default=None)
        if visitor.ordered_at is not None:
            self.pushed += 1
            heapq.heappush(self.moments, (user.ordered_at + LAPSED, self.pushed, user))
        for place, instance in list(visitor.running.items()):
            own = user.running.get(place)
            if own is not None:
                later = instance.started_at > own.started_at
                stays = later if instance.rule == "abandoned-cart" else instance.started_at < own.started_at
                if not stays:
                    self.end(instance, "merged")
                    user.ended[place] = instance.started_at
                    continue
                self.end(own, "merged")
            instance.customer = user
            user.running[place] = instance

    # MARK: The database

    def commit(self, offset):
        if self.database is None:
            return
        self.database.execute("BEGIN IMMEDIATE")
        self.database.executemany("DELETE FROM customer WHERE id = ?", [(id,) for id in self.gone])
        rows = sorted((customer.text, customer) for customer in self.dirty if customer.moved_to is None)
        self.database.executemany(
            "INSERT INTO customer VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET row = excluded.row",
            [(id, customer.row()) for id, customer in rows])
        self.database.executemany("INSERT INTO message VALUES (?, ?)", self.messages)
        self.database.execute("DELETE FROM position")
        self.database.execute("INSERT INTO position VALUES (?)", (offset,))
        self.database.execute("COMMIT")
        self.dirty.clear()
        self.gone.clear()
        self.messages.clear()


# MARK: Small things

id_of = id


def text_of(key):
    return key[0] + "/" + key[1] if key[1] else key[0]


def product_of(fields):
    id = fields.get("product_id") or fields.get("sku")
    return (str(id), str(fields.get("variant") or "")) if id else None


def add(cart, key, fields, currency):
    quantity = fields.get("quantity", 1)
    if quantity <= 0:
        return
    line = cart.lines.get(key)
    if line is None:
        line = cart.lines[key] = [0, None, None, None, None, None]
    line[0] += quantity
    for place, value in enumerate(
            (fields.get("price"), fields.get("currency") or currency, fields.get("name"), fields.get("url"), fields.get("image_url")), 1):
        if value is not None:
            line[place] = value


def take(cart, key, quantity):
    line = cart.lines.get(key)
    if line is None:
        return
    line[0] -= line[0] if quantity is None else max(quantity, 0)
    if line[0] <= 0:
        del cart.lines[key]


def cart_data(cart):
    items, total = [], Decimal(0)
    for (product, variant), (quantity, price, currency, name, url, image) in cart.lines.items():
        price = decimal(price)
        items.append({
            "product_id": product, "variant": variant or None, "quantity": quantity,
            "price": None if price is None else plain(price), "currency": currency, "name": name, "url": url, "image_url": image})
        total = None if total is None or price is None else total + price * quantity
    currencies = {item["currency"] for item in items}
    if len(currencies) > 1:
        total = None
    return {
        "id": cart.id, "items": items, "total": None if total is None else plain(total),
        "currency": None if total is None else next(iter(currencies))}


def without_nothing(value):
    if isinstance(value, dict):
        return {key: without_nothing(element) for key, element in value.items() if element is not None}
    if isinstance(value, list):
        return [without_nothing(element) for element in value]
    return value


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("log")
    options.add_argument("--messages", required=True, help="the file that gets the messages")
    options.add_argument("--database", help="keep the state in this SQLite database too")
    options.add_argument("--instance", default="bench")
    chosen = options.parse_args()
    with open(chosen.messages, "w", encoding="utf-8") as output:
        job = Job(chosen.instance, output, chosen.database)
        job.run(chosen.log)
    customers = [c for c in job.users.values()] + [c for c in job.visitors.values() if c.anonymous]
    segments = collections.Counter(name for customer in customers for name in customer.segments)
    running = collections.Counter(rule for customer in customers for rule, _ in customer.running)
    print(json.dumps({
        "parser": PARSER, "counts": dict(job.counts), "customers": len(customers), "segments": dict(segments), "running": dict(running)}))


if __name__ == "__main__":
    main()
