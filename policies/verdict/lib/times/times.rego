# METADATA
# title: Times
# description: >-
#   Reads RFC 3339 times so that a bad one proves nothing. A caller denies unless
#   a time is proved to be on the right side, never because it is proved to be
#   on the wrong one. Give these functions values that exist: Rego takes operands
#   out of a negation, so `not ahead(entity.until, now)` does not hold when
#   entity.until is missing, and a denial built on it is lost.
package verdict.lib.times

# METADATA
# description: The last nanosecond a 64-bit clock can count, in the year 2262.
end := 9223372036854775807

# METADATA
# description: >-
#   A time in nanoseconds since 1970. Years a 64-bit clock cannot count become its
#   first or last nanosecond, so that an expiry in the year 9999 means never.
#   Undefined for anything that is not a time.
ns(text) := time.parse_rfc3339_ns(text) if {
	text > "1678"
	text < "2262"
} else := end if {
	text >= "2262"
	_is_time(text)
} else := 0 - end if {
	text < "1678"
	_is_time(text)
}

# METADATA
# description: The time is known to lie after now (nanoseconds).
ahead(text, now) if ns(text) > now

# METADATA
# description: The time is known to be now (nanoseconds) or earlier.
reached(text, now) if ns(text) <= now

# METADATA
# description: The entity has a time under this name and it is not known to lie after now.
over(entity, name, now) if {
	text := entity[name]
	not ahead(text, now)
}

_is_time(text) if {
	is_string(text)
	regex.match(`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})$`, text)
}
