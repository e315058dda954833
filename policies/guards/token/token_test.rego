package guards.token_test

import data.verdict.lib.fixtures_test as f

_now := 1795341600

_with_claim(name, value) := f.changed(f.question, ["token", name], value)

test_a_fresh_token_for_us_passes if {
	f.codes("token", f.question, f.world) == set()
}

test_expiry if {
	every case in [
		{"expires_at": _now + 1, "leeway_s": 0, "codes": set()},
		{"expires_at": _now, "leeway_s": 0, "codes": {"TOKEN_EXPIRED"}},
		{"expires_at": _now - 4, "leeway_s": 5, "codes": set()},
		{"expires_at": _now - 5, "leeway_s": 5, "codes": {"TOKEN_EXPIRED"}},
		{"expires_at": 9007199254740991, "leeway_s": 0, "codes": set()},
	] {
		asked := f.changed(_with_claim("expires_at", case.expires_at), ["token", "leeway_s"], case.leeway_s)
		f.codes("token", asked, f.world) == case.codes
	}
}

test_parts_of_a_second_count if {
	asked := f.changed(_with_claim("expires_at", _now), ["time"], "2026-11-22T09:59:59.999999999Z")
	f.codes("token", asked, f.world) == set()
}

test_not_yet_valid if {
	every case in [
		{"not_before": _now, "leeway_s": 0, "codes": set()},
		{"not_before": _now + 1, "leeway_s": 0, "codes": {"TOKEN_INVALID"}},
		{"not_before": _now + 5, "leeway_s": 5, "codes": set()},
		{"not_before": _now + 6, "leeway_s": 5, "codes": {"TOKEN_INVALID"}},
	] {
		asked := f.changed(_with_claim("not_before", case.not_before), ["token", "leeway_s"], case.leeway_s)
		f.codes("token", asked, f.world) == case.codes
	}
	f.details("token", "TOKEN_INVALID", _with_claim("not_before", _now + 1), f.world) == {{"cause": "not_yet_valid", "not_before": _now + 1}}
}

test_issued_in_the_future if {
	f.details("token", "TOKEN_INVALID", _with_claim("issued_at", _now + 1), f.world) == {{"cause": "issued_in_future", "issued_at": _now + 1}}
	f.codes("token", f.changed(_with_claim("issued_at", _now + 1), ["token", "leeway_s"], 1), f.world) == set()
}

test_audience if {
	every case in [
		{"audiences": ["brightfold"], "codes": set()},
		{"audiences": ["other", "brightfold"], "codes": set()},
		{"audiences": ["svc:email"], "codes": set()},
		{"audiences": ["svc:ledger"], "codes": {"TOKEN_AUDIENCE_MISMATCH"}},
		{"audiences": ["Brightfold"], "codes": {"TOKEN_AUDIENCE_MISMATCH"}},
		{"audiences": [], "codes": {"TOKEN_AUDIENCE_MISMATCH"}},
		{"audiences": "brightfold", "codes": {"TOKEN_AUDIENCE_MISMATCH"}},
	] {
		f.codes("token", _with_claim("audiences", case.audiences), f.world) == case.codes
	}
	f.codes("token", f.without(f.question, ["token", "audiences"]), f.world) == {"TOKEN_AUDIENCE_MISMATCH"}
	f.details("token", "TOKEN_AUDIENCE_MISMATCH", f.without(f.question, ["token", "accepted_audiences"]), f.world) == {{
		"audiences": {"brightfold"},
		"accepted": {"svc:email"},
	}}
}

_spoken_for_by(issuers) := f.changed(f.world, array.concat(f.caller_path, ["issuers"]), issuers)

test_our_own_issuers_speak_for_whom_lists_none if {
	every facts in [f.world, _spoken_for_by([])] {
		f.codes("token", f.question, facts) == set()
		f.codes("token", _with_claim("issuer", "another"), facts) == set()
		every own in [false, null, "true", 1] {
			f.details("token", "ISSUER_UNTRUSTED", _with_claim("own", own), facts) == {{"issuer": "demo", "issuers": []}}
			f.codes("token", _with_claim("own", own), facts) == {"ISSUER_UNTRUSTED"}
		}
		f.codes("token", f.without(f.question, ["token", "own"]), facts) == {"ISSUER_UNTRUSTED"}
	}
}

test_listed_issuers_alone_speak_for_whom_lists_some if {
	every own in [true, false] {
		f.codes("token", _with_claim("own", own), _spoken_for_by(["buildhub", "demo"])) == set()
		f.details("token", "ISSUER_UNTRUSTED", _with_claim("own", own), _spoken_for_by(["buildhub"])) == {{
			"issuer": "demo",
			"issuers": ["buildhub"],
		}}
		f.codes("token", _with_claim("own", own), _spoken_for_by(["Demo", "demo2"])) == {"ISSUER_UNTRUSTED"}
	}
}

test_a_list_of_issuers_in_another_form_trusts_none if {
	every issuers in [null, "demo", {}, 7] {
		f.codes("token", f.question, _spoken_for_by(issuers)) == {"ISSUER_UNTRUSTED"}
	}
}

test_a_token_of_no_issuer_speaks_for_nobody_listed if {
	f.details("token", "ISSUER_UNTRUSTED", f.without(f.question, ["token", "issuer"]), _spoken_for_by(["demo"])) == {{
		"issuer": "",
		"issuers": ["demo"],
	}}
}

test_asserted_claims_come_from_an_issuer_too if {
	asked := f.changed(_with_claim("own", false), ["credential", "kind"], "claims")
	f.codes("token", f.without(asked, ["token", "key_id"]), f.world) == {"ISSUER_UNTRUSTED"}
}

test_issuer_of_an_unknown_caller_is_not_judged if {
	f.codes("token", _with_claim("own", false), f.without(f.world, f.caller_path)) == set()
}

test_age_for_the_tier if {
	every case in [
		{"tier": 0, "age_s": 300, "codes": set()},
		{"tier": 0, "age_s": 301, "codes": {"TOKEN_RENEWAL_REQUIRED"}},
		{"tier": 1, "age_s": 900, "codes": set()},
		{"tier": 1, "age_s": 901, "codes": {"TOKEN_RENEWAL_REQUIRED"}},
		{"tier": 2, "age_s": 3600, "codes": set()},
		{"tier": 3, "age_s": 14400, "codes": set()},
		{"tier": 3, "age_s": 14401, "codes": {"TOKEN_RENEWAL_REQUIRED"}},
		{"tier": 7, "age_s": 301, "codes": {"TOKEN_RENEWAL_REQUIRED"}},
		{"tier": null, "age_s": 301, "codes": {"TOKEN_RENEWAL_REQUIRED"}},
	] {
		facts := f.changed(f.world, array.concat(f.service_path, ["tier"]), case.tier)
		f.codes("token", _with_claim("issued_at", _now - case.age_s), facts) == case.codes
	}
}

test_the_service_s_own_age_comes_before_its_tier_s if {
	facts := f.changed(f.world, array.concat(f.service_path, ["max_token_age_s"]), 20)
	f.details("token", "TOKEN_RENEWAL_REQUIRED", f.question, facts) == {{"max_age_s": 20, "age_s": 30}}
}

test_without_settings_every_token_is_too_old if {
	every settings in [{}, {"tiers": {"0": {}}}, {"tiers": {"0": {"max_token_age_s": "300"}}}] {
		denials := f.denials("token", _with_claim("issued_at", _now), f.world) with data.verdict.config as settings
		{denial.code | some denial in denials} == {"TOKEN_RENEWAL_REQUIRED"}
	}
}

_listed(list, by, of, entry) := f.changed(f.world, [list], {by: {of: entry}})

_names := {
	"token": "tok-1",
	"subject": "mu:caller",
	"tenant": "acme",
	"issuer_key": "key-1",
	"credential": "cred-1",
}

_named := f.changed(_with_claim("credential", "cred-1"), ["token", "tenant"], "acme")

test_revoked_by_each_name if {
	every by, of in _names {
		f.details("token", "TOKEN_REVOKED", _named, _listed("revocations", by, of, {})) == {{"by": by, "of": of}}
		f.codes("token", _named, _listed("revocations", by, "another", {})) == set()
	}
}

test_revoked_by_the_tenant_of_the_caller if {
	facts := f.changed(_listed("revocations", "tenant", "acme", {}), array.concat(f.caller_path, ["tenant"]), "acme")
	f.codes("token", f.question, facts) == {"TOKEN_REVOKED"}
}

test_revocation_ends if {
	every until, codes in {
		"2026-11-22T10:00:00Z": set(),
		"2026-11-22T10:00:01Z": {"TOKEN_REVOKED"},
		"some day": {"TOKEN_REVOKED"},
	} {
		f.codes("token", f.question, _listed("revocations", "subject", "mu:caller", {"until": until})) == codes
	}
}

test_revocation_of_tokens_issued_before if {
	every issued_before, codes in {
		"2026-11-22T09:59:29Z": set(),
		"2026-11-22T09:59:30Z": set(),
		"2026-11-22T09:59:31Z": {"TOKEN_REVOKED"},
		"some day": {"TOKEN_REVOKED"},
	} {
		f.codes("token", f.question, _listed("revocations", "subject", "mu:caller", {"issued_before": issued_before})) == codes
	}
}

test_tokens_valid_from if {
	path := array.concat(f.caller_path, ["tokens_valid_from"])
	f.codes("token", f.question, f.changed(f.world, path, "2026-11-22T09:59:30Z")) == set()
	f.details("token", "TOKEN_REVOKED", f.question, f.changed(f.world, path, "2026-11-22T09:59:31Z")) == {{
		"by": "tokens_valid_from",
		"tokens_valid_from": "2026-11-22T09:59:31Z",
	}}
}

test_a_clock_ahead_of_ours_escapes_no_list if {
	every leeway_s, codes in {29: set(), 30: set(), 31: {"TOKEN_REVOKED"}, 60: {"TOKEN_REVOKED"}} {
		asked := f.changed(_with_claim("issued_at", _now + 10), ["token", "leeway_s"], leeway_s)
		from := "2026-11-22T09:59:40Z"
		f.codes("token", asked, _listed("revocations", "subject", "mu:caller", {"issued_before": from})) == codes
		f.codes("token", asked, f.changed(f.world, array.concat(f.caller_path, ["tokens_valid_from"]), from)) == codes
	}
	late := {"issued_before": "2026-11-22T10:00:00Z", "deadline": "2026-11-22T10:00:00Z"}
	ahead := f.changed(_with_claim("issued_at", _now), ["token", "leeway_s"], 1)
	f.codes("token", ahead, _listed("renewals", "subject", "mu:caller", late)) == {"TOKEN_RENEWAL_REQUIRED"}
	f.codes("token", _with_claim("issued_at", _now), _listed("renewals", "subject", "mu:caller", late)) == set()
}

test_without_a_leeway_there_is_none if {
	facts := _listed("revocations", "subject", "mu:caller", {"issued_before": "2026-11-22T09:59:30Z"})
	f.codes("token", f.without(f.question, ["token", "leeway_s"]), facts) == set()
}

_renewal := {"issued_before": "2026-11-22T10:00:00Z", "deadline": "2026-11-22T10:04:00.5Z"}

test_before_the_deadline_renewal_is_advised if {
	every by, of in _names {
		facts := _listed("renewals", by, of, _renewal)
		f.codes("token", _named, facts) == set()
		f.member("token", "advice", _named, facts) == {{"id": "renew_token", "within_s": 240}}
	}
}

test_the_earliest_deadline_counts if {
	facts := f.changed(f.world, ["renewals"], {
		"subject": {"mu:caller": _renewal},
		"token": {"tok-1": f.changed(_renewal, ["deadline"], "2026-11-22T10:01:00Z")},
	})
	f.member("token", "advice", f.question, facts) == {{"id": "renew_token", "within_s": 60}}
	1795341660000000000 in f.member("token", "valid_until", f.question, facts)
}

test_after_the_deadline_renewal_is_required if {
	every deadline in ["2026-11-22T10:00:00Z", "2026-11-22T09:00:00Z", "some day"] {
		facts := _listed("renewals", "subject", "mu:caller", f.changed(_renewal, ["deadline"], deadline))
		f.details("token", "TOKEN_RENEWAL_REQUIRED", f.question, facts) == {{
			"by": "subject",
			"of": "mu:caller",
			"deadline": deadline,
		}}
		f.member("token", "advice", f.question, facts) == set()
	}
}

test_a_token_issued_since_was_renewed if {
	late := f.changed(_renewal, ["deadline"], "2026-11-22T09:00:00Z")
	f.codes("token", f.question, _listed("renewals", "subject", "mu:caller", f.changed(late, ["issued_before"], "2026-11-22T09:59:00Z"))) == set()
	f.codes("token", f.question, _listed("renewals", "subject", "mu:caller", f.without(late, ["issued_before"]))) == {"TOKEN_RENEWAL_REQUIRED"}
}

test_a_renewal_ends if {
	ended := object.union(_renewal, {"deadline": "2026-11-22T09:00:00Z", "until": "2026-11-22T09:30:00Z"})
	f.codes("token", f.question, _listed("renewals", "subject", "mu:caller", ended)) == set()
}

test_missing_claims_are_named if {
	f.details("token", "INPUT_INCOMPLETE", f.without(f.question, ["token", "issued_at"]), f.world) == {{"missing": ["token.issued_at"]}}
	f.details("token", "INPUT_INCOMPLETE", f.without(f.question, ["token", "expires_at"]), f.world) == {{"missing": ["token.expires_at"]}}
	f.codes("token", f.without(f.question, ["token"]), f.world) == {"INPUT_INCOMPLETE"}
	f.details("token", "INPUT_INCOMPLETE", f.without(f.question, ["token"]), f.world) == {{"missing": ["token"]}}
}

test_without_a_time_nothing_is_in_time if {
	every asked in [f.without(f.question, ["time"]), f.changed(f.question, ["time"], "now"), f.changed(f.question, ["time"], _now)] {
		f.codes("token", asked, f.world) == {"INPUT_INCOMPLETE", "TOKEN_EXPIRED", "TOKEN_RENEWAL_REQUIRED"}
		f.details("token", "INPUT_INCOMPLETE", asked, f.world) == {{"missing": ["time"]}}
	}
}

test_without_an_issue_time_lists_count if {
	asked := f.without(f.question, ["token", "issued_at"])
	facts := _listed("revocations", "subject", "mu:caller", {"issued_before": "2020-01-01T00:00:00Z"})
	f.codes("token", asked, facts) == {"INPUT_INCOMPLETE", "TOKEN_REVOKED"}
}

test_answer_holds_until_the_token_expires_or_is_too_old if {
	f.member("token", "valid_until", f.question, f.world) == {
		1795341900 * 1000000000,
		(1795341570 + 900) * 1000000000,
	}
}
