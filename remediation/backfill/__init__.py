"""Delivers what a forwarder missed: calls it again for each open object, as S3 would have called it.

request.py       BackfillRequest: what the verb was asked for, parsed and refused
obstacles.py     which forwarders may be called at all, and why not the others
sendable.py      which objects can be delivered, and why not the others
earlier.py       what earlier runs sent already, by their own journals
manifest.py      the objects of one forwarder, fixed before the first call, as a file
cost.py          what it will take: calls, bytes, time, Lambda's price
event.py         the events, shaped and encoded as S3 makes them
dead_letters.py  events that failed before, out of queues
pace.py          how many a second, and when to stop: rate, error budget
watch.py         which calls ended well, by their request ids in the function's log
book.py          what the journal holds of a backfill: intents, acceptances, ends; what it predicts after a kill
lane.py          one forwarder: send, watch, set aside, stop
run.py           the whole run
story.py         what people are told
"""
