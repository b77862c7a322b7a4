"""Rules tried out before anybody trusts them: on inputs that a person made up, and on what is stored. Virtual time.

stage = Stage([detector])
for decision in stage.tell(fact):
    ...
"""
