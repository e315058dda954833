package verdict.lib.reasons_test

import data.verdict.lib.reasons

test_a_denial_is_its_rule_s_annotations_and_the_facts if {
	annotations := {"description": "Too late.", "custom": {"code": "LATE", "fix": "Come earlier.", "status": 429, "more": 1}}
	reasons.denial(annotations, {"by_s": 3}) == {
		"code": "LATE",
		"message": "Too late.",
		"fix": "Come earlier.",
		"status": 429,
		"details": {"by_s": 3},
	}
}

test_without_a_description_the_title_is_the_message if {
	reasons.denial({"title": "Late."}, {}).message == "Late."
	reasons.denial({"title": "Late.", "description": "Too late."}, {}).message == "Too late."
}

test_a_rule_without_annotations_still_denies if {
	every annotations in [{}, {"custom": {}}] {
		reasons.denial(annotations, {}) == {"code": "GUARD_MALFORMED", "message": "", "fix": "", "status": 403, "details": {}}
	}
}
