# METADATA
# title: Lists
# description: >-
#   Says when an entry of the revocation or renewal list is about a piece of
#   evidence that it names. An entry is put aside only when it is known not to be.
package verdict.lib.lists

import data.verdict.lib.times

# METADATA
# description: >-
#   The entry has not ended and is about evidence issued at this time; both times in
#   nanoseconds. An entry without issued_before is about evidence of any age.
hits(entry, issued, now) if {
	not _ended(entry, now)
	not _issued_since(entry, issued)
}

_ended(entry, now) if times.reached(entry.until, now)

_issued_since(entry, issued) if times.reached(entry.issued_before, issued)
