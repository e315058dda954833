# METADATA
# title: Schedule
# description: >-
#   Denies calls outside the weekly hours of the machine user. A window that ends
#   before it begins crosses midnight and belongs to the day on which it begins.
package guards.schedule

import data.verdict.lib.facts
import data.verdict.lib.reasons

# METADATA
# description: The machine user may not act at this time.
# custom:
#   code: OUTSIDE_TIME_WINDOW
#   fix: Run the job within its hours, or have the owner change allowed_hours.
#   status: 403
deny contains reasons.denial(rego.metadata.rule(), {"time": input.time, "allowed_hours": hours}) if {
	hours := facts.machine_user.allowed_hours
	count(_closes_in_s) == 0
}

# METADATA
# description: When the last of the open windows closes.
valid_until contains facts.now_ns + (open_for_s * 1000000000) if open_for_s := max(_closes_in_s)

# Seconds of local time until each open window closes.
_closes_in_s contains ((end - minute) * 60) - second if {
	some window in facts.machine_user.allowed_hours
	zone := object.get(window, "zone", "UTC")
	zone != "Local"
	[hour, minute_of_hour, second] := time.clock([facts.now_ns, zone])
	minute := (hour * 60) + minute_of_hour
	weekday := lower(substring(time.weekday([facts.now_ns, zone]), 0, 3))
	some [day, begin, end] in _spans(window, weekday)
	_on(window, day)
	minute >= begin
	minute < end
}

# The spans of a window that may cover a weekday: [day it belongs to, begin, end] in minutes.
_spans(window, weekday) := [[weekday, begin, end]] if {
	begin := _minutes(window.from)
	end := _minutes(window.to)
	begin < end
}

_spans(window, weekday) := [[weekday, begin, 1440], [_day_before[weekday], 0, end]] if {
	begin := _minutes(window.from)
	end := _minutes(window.to)
	begin > end
}

_minutes(clock) := (to_number(hour) * 60) + to_number(minute) if {
	regex.match(`^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$`, clock)
	[hour, minute] := split(clock, ":")
}

_on(window, day) if day in window.days

_on(window, _) if count(object.get(window, "days", [])) == 0

_day_before := {
	"mon": "sun", "tue": "mon", "wed": "tue", "thu": "wed",
	"fri": "thu", "sat": "fri", "sun": "sat",
}
