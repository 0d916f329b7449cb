#!/usr/bin/env python3
"""Mails every message of an outbox: the subject and body of data.content to the address in the customer's traits.

The Message-ID is made of the message's id, so that whoever gets a mail twice can tell. A refused recipient or a refused
mail (5xx) is permanent; 4xx, a broken connection, and whatever goes wrong before the recipient is named (connecting, TLS,
logging in, the sender's address) may pass. A mail can't be called back, so a retraction counts as sent.
"""

import email.errors
import email.message
import email.policy
import email.utils
import os
import smtplib
import ssl

import claim


def arguments(parser):
    environment = os.environ.get
    parser.add_argument("--host", default=environment("SMTP_HOST", "localhost"), help="SMTP_HOST")
    parser.add_argument("--port", type=int, default=int(environment("SMTP_PORT", "25")), help="SMTP_PORT")
    parser.add_argument("--tls", choices=["none", "starttls", "tls"], default=environment("SMTP_TLS", "none"), help="SMTP_TLS")
    parser.add_argument("--user", default=environment("SMTP_USER"), help="SMTP_USER; the password is in SMTP_PASSWORD")
    parser.add_argument("--from", dest="sender", default=environment("SMTP_FROM"), help="SMTP_FROM")
    parser.add_argument("--to", default="data.customer.traits.email", help="where in a message the address is")
    parser.add_argument("--timeout", type=float, default=30.0, help="seconds for each answer")


def sender(options):
    address = email.utils.parseaddr(options.sender or "")[1]
    if "@" not in address:
        raise SystemExit("give the sender's address, with --from or SMTP_FROM")

    def connect():
        if options.tls == "tls":
            context = ssl.create_default_context()
            server = smtplib.SMTP_SSL(options.host, options.port, timeout=options.timeout, context=context)
        else:
            server = smtplib.SMTP(options.host, options.port, timeout=options.timeout)
        try:
            if options.tls == "starttls":
                server.starttls(context=ssl.create_default_context())
            if options.user:
                server.login(options.user, os.environ.get("SMTP_PASSWORD", ""))
        except BaseException:
            server.close()
            raise
        return server

    def send(event, body):
        if event.get("type") == "nudged.retract":
            return
        recipient, mail = compose(event, options, address)
        try:
            with claim.deadline(10 * options.timeout):
                mail_it(recipient, mail)
        except TimeoutError as failure:
            raise claim.Temporary(type(failure).__name__) from None

    def mail_it(recipient, mail):
        try:
            server = connect()
        except smtplib.SMTPResponseException as failure:
            raise claim.Temporary(f"SMTP {failure.smtp_code}") from None
        # A ValueError: a challenge that is no base64, say.
        except (OSError, ValueError, smtplib.SMTPException) as failure:
            raise claim.Temporary(type(failure).__name__) from None
        try:
            server.send_message(mail, from_addr=address, to_addrs=[recipient])
        except smtplib.SMTPRecipientsRefused as failure:
            raise judged([code for code, _ in failure.recipients.values()][0], "recipient") from None
        except smtplib.SMTPDataError as failure:
            raise judged(failure.smtp_code, "mail") from None
        except smtplib.SMTPNotSupportedError:
            raise claim.Permanent("the server takes no such address") from None
        except smtplib.SMTPResponseException as failure:
            raise claim.Temporary(f"SMTP {failure.smtp_code}") from None
        except (OSError, smtplib.SMTPException) as failure:
            raise claim.Temporary(type(failure).__name__) from None
        finally:
            # Accepted is accepted: what happens to the goodbye does not matter any more.
            try:
                server.quit()
            except (OSError, smtplib.SMTPException):
                server.close()

    return send


def judged(code, what):
    """The server's text may quote the address, so only its code is kept."""
    return claim.Permanent(f"SMTP {code}, {what} refused") if code >= 500 else claim.Temporary(f"SMTP {code}")


def compose(event, options, address):
    recipient = event
    for key in options.to.split("."):
        recipient = recipient.get(key) if isinstance(recipient, dict) else None
    data = event.get("data")
    content = data.get("content") if isinstance(data, dict) else None
    if not isinstance(recipient, str) or "@" not in recipient or any(c.isspace() or ord(c) < 32 for c in recipient):
        raise claim.Permanent(f"no address at {options.to}")
    if not isinstance(content, dict) or not isinstance(content.get("body"), str):
        raise claim.Permanent("no text at data.content.body; has its rule a template?")
    mail = email.message.EmailMessage(policy=email.policy.SMTP)
    try:
        mail["From"] = options.sender
        mail["To"] = recipient
        mail["Subject"] = str(content.get("subject", ""))
        mail["Message-ID"] = f"<{event['id']}@{address.split('@')[1]}>"
        mail["Date"] = email.utils.formatdate()
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(content["body"], subtype="html" if content.get("content_type") == "text/html" else "plain")
        if isinstance(content.get("html"), str):
            mail.add_alternative(content["html"], subtype="html")
        return recipient, mail
    except (ValueError, email.errors.MessageError):
        raise claim.Permanent("its address or subject does not fit into a mail header") from None


if __name__ == "__main__":
    claim.main("Mails every message of an outbox.", arguments, sender)
