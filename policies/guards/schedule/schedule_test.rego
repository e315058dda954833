package guards.schedule_test

import data.verdict.lib.fixtures_test as f

_hours(windows) := f.changed(f.world, array.concat(f.caller_path, ["allowed_hours"]), windows)

_at(time) := f.changed(f.question, ["time"], time)

test_without_hours_every_time_is_good if {
	f.codes("schedule", f.question, f.world) == set()
}

# 2026-11-22 is a Sunday.
test_hours if {
	every case in [
		{"at": "2026-11-22T01:00:00Z", "window": {"from": "01:00", "to": "03:00"}, "open": true},
		{"at": "2026-11-22T02:59:59.999Z", "window": {"from": "01:00", "to": "03:00"}, "open": true},
		{"at": "2026-11-22T03:00:00Z", "window": {"from": "01:00", "to": "03:00"}, "open": false},
		{"at": "2026-11-22T00:59:59Z", "window": {"from": "01:00", "to": "03:00"}, "open": false},
		{"at": "2026-11-22T04:30:00+02:00", "window": {"from": "01:00", "to": "03:00"}, "open": true},
		{"at": "2026-11-22T00:00:00Z", "window": {"from": "00:00", "to": "24:00"}, "open": true},
		{"at": "2026-11-22T23:59:59Z", "window": {"from": "00:00", "to": "24:00"}, "open": true},
		{"at": "2026-11-22T23:59:59Z", "window": {"from": "22:00", "to": "02:00"}, "open": true},
		{"at": "2026-11-22T01:59:59Z", "window": {"from": "22:00", "to": "02:00"}, "open": true},
		{"at": "2026-11-22T02:00:00Z", "window": {"from": "22:00", "to": "02:00"}, "open": false},
		{"at": "2026-11-22T21:59:59Z", "window": {"from": "22:00", "to": "02:00"}, "open": false},
		{"at": "2026-11-22T10:00:00Z", "window": {"days": ["sun"], "from": "09:00", "to": "17:00"}, "open": true},
		{"at": "2026-11-22T10:00:00Z", "window": {"days": ["sat", "mon"], "from": "09:00", "to": "17:00"}, "open": false},
		{"at": "2026-11-22T10:00:00Z", "window": {"days": [], "from": "09:00", "to": "17:00"}, "open": true},
	] {
		{"OUTSIDE_TIME_WINDOW" | case.open == false} == f.codes("schedule", _at(case.at), _hours([case.window]))
	}
}

test_a_window_across_midnight_belongs_to_the_day_it_begins_on if {
	every at, open in {
		"2026-11-22T22:30:00Z": true,
		"2026-11-23T01:30:00Z": true,
		"2026-11-22T01:30:00Z": false,
		"2026-11-23T22:30:00Z": false,
	} {
		facts := _hours([{"days": ["sun"], "from": "22:00", "to": "02:00"}])
		{"OUTSIDE_TIME_WINDOW" | open == false} == f.codes("schedule", _at(at), facts)
	}
}

test_hours_are_those_of_their_zone if {
	every case in [
		{"at": "2026-11-22T00:30:00Z", "zone": "Europe/Berlin", "open": true},
		{"at": "2026-07-22T00:30:00Z", "zone": "Europe/Berlin", "open": true},
		{"at": "2026-07-21T23:30:00Z", "zone": "Europe/Berlin", "open": true},
		{"at": "2026-11-21T23:30:00Z", "zone": "Europe/Berlin", "open": false},
		{"at": "2026-11-22T09:30:00Z", "zone": "America/Los_Angeles", "open": true},
	] {
		facts := _hours([{"from": "01:00", "to": "03:00", "zone": case.zone}])
		{"OUTSIDE_TIME_WINDOW" | case.open == false} == f.codes("schedule", _at(case.at), facts)
	}
}

test_the_day_is_that_of_the_zone if {
	facts := _hours([{"days": ["mon"], "from": "00:00", "to": "02:00", "zone": "Europe/Berlin"}])
	f.codes("schedule", _at("2026-11-22T23:30:00Z"), facts) == set()
}

test_any_window_will_do if {
	facts := _hours([{"from": "01:00", "to": "03:00"}, {"from": "09:00", "to": "11:00"}])
	f.codes("schedule", f.question, facts) == set()
}

test_hours_that_make_no_sense_are_never_open if {
	every windows in [
		[],
		"always",
		[{"from": "10:00", "to": "10:00"}],
		[{"from": "soon", "to": "24:00"}],
		[{"from": "00:00", "to": "25:00"}],
		[{"from": "00:00"}],
		[{"days": ["sunday"], "from": "00:00", "to": "24:00"}],
		[{"from": "00:00", "to": "24:00", "zone": "Local"}],
	] {
		f.codes("schedule", f.question, _hours(windows)) == {"OUTSIDE_TIME_WINDOW"}
	}
}

test_reason_shows_time_and_hours if {
	windows := [{"from": "01:00", "to": "03:00", "zone": "UTC"}]
	f.details("schedule", "OUTSIDE_TIME_WINDOW", f.question, _hours(windows)) == {{
		"time": "2026-11-22T10:00:00Z",
		"allowed_hours": windows,
	}}
}

test_answer_holds_until_the_last_open_window_closes if {
	facts := _hours([{"from": "09:00", "to": "10:05"}, {"from": "09:00", "to": "10:01"}, {"from": "11:00", "to": "12:00"}])
	f.member("schedule", "valid_until", f.question, facts) == {1795341600000000000 + (300 * 1000000000)}
}
