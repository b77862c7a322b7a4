"""What rules want done outside: kept with the decision, done after its commit, recorded and forgotten when done.

`Actions` has the queue and the record; the other modules each do one kind of thing.
"""
