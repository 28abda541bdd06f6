"""The rule machine behind the scripted companion. Pure: it is fed a prompt and gives a text.

The algorithm is that of ELIZA (Joseph Weizenbaum, "ELIZA: a computer program for the study of
natural language communication between man and machine", Communications of the ACM 9(1), 1966):
keywords with ranks choose a rule, the rule takes the sentence apart and puts a reply together,
pronouns are turned round, and what was said earlier is brought up when no rule fits. Added to it
are facts that are kept by kind, questions of the companion's own that know their answers, and a
choice among variants that looks at what was said already.

files.py                 the files of a companion, each read once; the only module here that reads any
nodes.py, reading.py     YAML → rules, errors with line numbers; forms.py: a language's words and forms
rules.py, templates.py   a rules file, and what it may say, as frozen values
words.py, patterns.py    text → clauses → what fits, in linear time
sums.py, calendar.py     arithmetic; days and times in a language's words
desk.py, hours.py        what a character knows of its place; desk_settings.py reads it from the character's
                         file, desk_rules.py makes rules of it
talk.py                  what is read of a prompt, and what is noticed of a message besides its words
understanding.py         messages read against the rules, each once; facts.py: what the user told so far
matching.py              which rules may be used now
answer.py                which variant is said, and the reply put together
"""
