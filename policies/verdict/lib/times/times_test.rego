package verdict.lib.times_test

import data.verdict.lib.times

test_times_in_nanoseconds if {
	every text, ns in {
		"1970-01-01T00:00:00Z": 0,
		"2026-11-22T10:00:00Z": 1795341600000000000,
		"2026-11-22T12:00:00+02:00": 1795341600000000000,
		"2026-11-22T09:59:59.5Z": 1795341599500000000,
		"2262-01-01T00:00:00Z": times.end,
		"9999-12-31T23:59:59Z": times.end,
		"1677-12-31T23:59:59Z": 0 - times.end,
		"0001-01-01T00:00:00Z": 0 - times.end,
	} {
		times.ns(text) == ns
	}
}

test_what_is_no_time_has_no_nanoseconds if {
	every text in ["", "now", "2026-11-22", "2026-11-22T10:00:00", "2026-11-22 10:00:00Z", "20261-11-22T10:00:00Z", "9999", 0, null, true, ["2026-11-22T10:00:00Z"]] {
		not times.ns(text)
	}
}

test_ahead_and_reached_are_opposites_of_a_time if {
	times.ahead("1970-01-01T00:00:01Z", 999999999)
	not times.ahead("1970-01-01T00:00:01Z", 1000000000)
	times.reached("1970-01-01T00:00:01Z", 1000000000)
	not times.reached("1970-01-01T00:00:01Z", 999999999)
}

test_what_is_no_time_is_neither_ahead_nor_reached if {
	not times.ahead("some day", 0)
	not times.reached("some day", 0)
}

test_over_unless_known_to_lie_ahead if {
	times.over({"until": "1970-01-01T00:00:01Z"}, "until", 1000000000)
	times.over({"until": "some day"}, "until", 0)
	times.over({"until": null}, "until", 0)
	times.over({"until": false}, "until", 0)
	not times.over({"until": "1970-01-01T00:00:01Z"}, "until", 0)
	not times.over({}, "until", 1000000000)
}
