"""Delivers what a forwarder missed: calls it again for each open object, as S3 would have called it.

request.py       BackfillRequest: what the verb was asked for, parsed and refused
after_fix.py     the spans that a fix left open
obstacles.py     which forwarders may be called at all, and why not the others
part.py          one forwarder's part: may it be called, how fast, from where come its events
sendable.py      which objects can be delivered, and why not the others
earlier.py       what earlier runs sent already, by their own journals
manifest.py      the objects of one forwarder, fixed before the first call, as a file
listing.py       from a ledger to that file, and from its lines to events
dead_letters.py  events that failed before, in queues; queued.py sends them
load.py          what is sent to each forwarder, gathered
cost.py          what it will take: calls, bytes, time, Lambda's price
pace.py          how many a second, and when to stop: rate, error budget
watch.py         which calls ended well, by their request ids in the log; metric_watch.py where it is not shown
book.py          what the journal holds of a backfill: intents, acceptances, ends; what it predicts after a kill
lane.py          one forwarder: send, watch, set aside, stop; sending.py runs them side by side
run.py           the whole run
story.py         what people are told; progress.py meanwhile, aside.py what was not delivered
record.py        what a run leaves for the one that resumes it
needs.py         what its role needs of IAM
"""
