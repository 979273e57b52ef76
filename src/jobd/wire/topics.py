"""Topics of the event socket: filtering happens at the publisher, by prefix, so a waiting Salloc hears of its own job only.

Each message is [topic, bytes]: job.12.started, server.limits; job.12.now answers a subscription to job.12. with the job as it is.
"""

JOB_NOW = "now"


def job_topic(job_id: int, kind: str = "") -> bytes:
    """job.12.started; without a kind the prefix of all about job 12."""
    return f"job.{job_id}.{kind}".encode()


def server_topic(kind: str) -> bytes:
    """server.limits"""
    return f"server.{kind}".encode()


def subscribed_job_id(subscription: bytes) -> int | None:
    """The job of a subscription to one job; None for any other bytes."""
    if not subscription.startswith(b"job.") or not subscription.endswith(b"."):
        return None
    digits = subscription[4:-1]
    if not digits.isdigit() or len(digits) > 18:
        return None
    return int(digits)
