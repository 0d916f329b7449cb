/// The configuration that `nudged init` writes: commented, and complete enough to run once the path of the logs is right.
package enum Starter {
    /// Where the package installs the shipped rules.
    package static let installedShare = "/usr/share/nudged"

    /// The text for an instance of this name; `share` is the directory that holds `rules/` and `nudged.schema.json`.
    package static func text(instance: String, share: String = installedShare) -> String {
        """
        # yaml-language-server: $schema=\(share)/nudged.schema.json
        #
        # The configuration of nudged. `nudged check` reads it and shows every mistake; a running daemon reads it anew on
        # `systemctl reload nudged`, and keeps the old one if the new one is wrong.
        #
        # Values may hold environment variables: ${NAME}, or ${NAME:-default}. Relative paths begin in this file's directory.
        # Durations are written 90s, 15m, 48h, 7d, 2w, or 1d12h.

        # The name of this daemon. It becomes part of every message and of every message's id: don't change it later.
        instance: \(instance)

        # Where the daemon keeps its database, and where it puts messages for the senders to take.
        state: /var/lib/nudged
        outbox: /var/spool/nudged/outbox

        # The logs: one JSON object on each line. A path may be a pattern; rotated files are found by themselves.
        sources:
          - name: shop
            path: /var/log/shop/events*.ndjson
            # segment (the default), cloudevents, stripe, revenuecat or shopify; or say where the fields are:
            # format:
            #   id: id
            #   customer: user
            #   event: type
            #   time: { path: ts, unit: s }
            #   names: { cart: Product Added, buy: Order Completed }

        # How far out of order events may come. Messages go out that much later.
        # lateness: 10s

        # On its first start the daemon reads old logs without sending anything about them. To have messages from a time on:
        # publish_from: 2026-03-01T00:00:00Z

        # The rules that come with nudged. Each file explains itself; take the # away from those you want.
        include:
          - \(share)/rules/segments.yaml
          - \(share)/rules/abandoned-cart.yaml       # a cart left for 48 hours
          - \(share)/rules/back-in-stock.yaml        # a product that can be bought again, first come first served
          - \(share)/rules/churn-risk.yaml           # a payment issue open for 72 hours
          # - \(share)/rules/billing-recovered.yaml  # thanks when a payment issue is over
          # - \(share)/rules/almost-buyer.yaml       # viewed or wished for, not put into the cart
          # - \(share)/rules/price-drop.yaml         # cheaper than when they looked
          # - \(share)/rules/low-stock.yaml          # "only 2 left", for carts and wishlists
          # - \(share)/rules/free-shipping-gap.yaml  # the amount missing at checkout
          # - \(share)/rules/welcome.yaml            # the first visit
          # - \(share)/rules/repeat-thanks.yaml      # another order
          # - \(share)/rules/win-back.yaml           # no order for 14 days
          # - \(share)/rules/frequent-visitor.yaml   # comes often
          # - \(share)/rules/onboarding-stuck.yaml   # a sign-up started and not finished
          # - \(share)/rules/refund-feedback.yaml    # asks after the refund
          # - \(share)/rules/unhappy-service.yaml    # a bad rating or a complaint
          # - \(share)/rules/category-news.yaml      # something new in the favourite category
          # - \(share)/rules/nearby-store.yaml       # within 50 m of a shop; set the place first
          # - \(share)/rules/calendar-offer.yaml     # a holiday, by country
          # - \(share)/rules/vip.yaml                # lifetime value

        # What the rules say comes in English and Turkish. To say it in your own words, write for example
        # templates/abandoned-cart.en.mustache beside this file.

        # Your own rules. To change an included one, write its name and only what differs:
        # rules:
        #   abandoned-cart:
        #     wait: 24h
        #
        #   welcome-back:
        #     start: { enters: lapsed }
        #     if: profile.count("Order Completed") >= 2
        #     cooldown: 90d

        """
    }
}
