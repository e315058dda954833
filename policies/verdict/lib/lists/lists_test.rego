package verdict.lib.lists_test

import data.verdict.lib.lists

_now := 1795341600000000000

_hit(entry, issued) if lists.hits(entry, issued, _now)

test_an_entry_without_times_hits_evidence_of_any_age if {
	every issued in [0, _now, _now + 1] {
		_hit({}, issued)
	}
}

test_an_entry_ends if {
	every until in ["2026-11-22T10:00:00Z", "2026-01-01T00:00:00Z"] {
		not _hit({"until": until}, 0)
	}
	every until in ["2026-11-22T10:00:01Z", "some day", "", null, 0, false] {
		_hit({"until": until}, 0)
	}
}

test_evidence_issued_since_is_not_hit if {
	every issued_before in ["2026-11-22T10:00:00Z", "2026-01-01T00:00:00Z"] {
		not _hit({"issued_before": issued_before}, _now)
		_hit({"issued_before": issued_before}, 0)
	}
	every issued_before in ["2026-11-22T10:00:01Z", "9999-12-31T23:59:59Z", "some day", "", null, 0, false] {
		_hit({"issued_before": issued_before}, _now)
	}
}
