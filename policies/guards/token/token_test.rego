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
	"issuer": "demo",
	"everything": "all",
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

test_revoked_by_the_tenant_of_the_user_it_is_for if {
	asked := f.changed(f.question, ["token", "on_behalf_of"], {"type": "user", "id": "u-reader"})
	f.details("token", "TOKEN_REVOKED", asked, _listed("revocations", "tenant", "acme", {})) == {{"by": "tenant", "of": "acme"}}
	f.codes("token", f.question, _listed("revocations", "tenant", "acme", {})) == set()
}

test_revoked_by_the_credential_its_subject_led_to if {
	f.details("token", "TOKEN_REVOKED", f.asked_with("federated"), _listed("revocations", "credential", "cred-federated", {})) == {{
		"by": "credential",
		"of": "cred-federated",
	}}
}

test_everything_issued_before if {
	every issued_before, codes in {"2026-11-22T09:59:30Z": set(), "2026-11-22T09:59:31Z": {"TOKEN_REVOKED"}} {
		f.codes("token", f.question, _listed("revocations", "everything", "all", {"issued_before": issued_before})) == codes
	}
}

test_status_of_the_issuer_s_list if {
	f.codes("token", _with_claim("status", "valid"), f.world) == set()
	every status in ["invalid", "suspended", "application_3", "Valid", "", null, false, 0] {
		f.details("token", "TOKEN_REVOKED", _with_claim("status", status), f.world) == {{"by": "status_list", "status": status}}
	}
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

test_evidence_that_is_no_token_has_none if {
	listed := f.changed(f.world, ["revocations"], {
		"subject": {"mu:caller": {}},
		"everything": {"all": {}},
		"tenant": {"acme": {}},
		"credential": {"cred-secret": {}, "cred-key": {}, "cred-certificate": {}},
	})
	renewed := f.changed(listed, ["renewals"], {"subject": {"mu:caller": _renewal}})
	of_tenant := f.changed(renewed, array.concat(f.caller_path, ["tenant"]), "acme")
	facts := f.changed(of_tenant, array.concat(f.caller_path, ["tokens_valid_from"]), "2030-01-01T00:00:00Z")
	every kind in ["secret", "assertion", "certificate"] {
		f.codes("token", f.asked_with(kind), facts) == set()
		f.member("token", "advice", f.asked_with(kind), facts) == set()
		f.member("token", "valid_until", f.asked_with(kind), facts) == set()
	}
}

test_only_evidence_known_to_be_no_token_may_have_none if {
	every kind in ["jwt", "claims", "opaque", "none", "", "Secret", null] {
		asked := f.without(f.changed(f.question, ["credential", "kind"], kind), ["token"])
		f.details("token", "INPUT_INCOMPLETE", asked, f.world) == {{"missing": ["token"]}}
	}
	f.codes("token", f.without(f.without(f.question, ["token"]), ["credential"]), f.world) == {"INPUT_INCOMPLETE"}
}

test_a_token_beside_such_evidence_is_judged if {
	f.codes("token", f.changed(_with_claim("expires_at", _now), ["credential", "kind"], "secret"), f.world) == {"TOKEN_EXPIRED"}
}

_opaque := f.asked_with("opaque")

test_an_opaque_token_may_say_only_when_it_expires if {
	f.codes("token", _opaque, f.world) == set()
	f.codes("token", f.changed(_opaque, ["token", "expires_at"], _now), f.world) == {"TOKEN_EXPIRED"}
	f.details("token", "INPUT_INCOMPLETE", f.without(_opaque, ["token", "expires_at"]), f.world) == {{"missing": ["token.expires_at", "token.issued_at"]}}
	every kind in ["jwt", "claims", "", null] {
		asked := f.changed(_opaque, ["credential", "kind"], kind)
		f.codes("token", asked, f.world) == {"INPUT_INCOMPLETE", "TOKEN_AUDIENCE_MISMATCH"}
		f.details("token", "INPUT_INCOMPLETE", asked, f.world) == {{"missing": ["token.issued_at"]}}
	}
}

test_what_an_opaque_token_says_is_judged if {
	every issued_at, codes in {_now: set(), _now - 901: {"TOKEN_RENEWAL_REQUIRED"}, _now + 1: {"TOKEN_INVALID"}} {
		f.codes("token", f.changed(_opaque, ["token", "issued_at"], issued_at), f.world) == codes
	}
	every issued_at in [null, "2026-11-22T09:59:30Z"] {
		"INPUT_INCOMPLETE" in f.codes("token", f.changed(_opaque, ["token", "issued_at"], issued_at), f.world)
	}
	asked := f.changed(_opaque, ["token", "accepted_audiences"], ["brightfold"])
	every audiences, codes in {["brightfold"]: set(), ["other"]: {"TOKEN_AUDIENCE_MISMATCH"}, []: {"TOKEN_AUDIENCE_MISMATCH"}} {
		f.codes("token", f.changed(asked, ["token", "audiences"], audiences), f.world) == codes
	}
}

test_an_opaque_token_that_does_not_say_was_issued_before_everything if {
	f.codes("token", _opaque, _listed("revocations", "everything", "all", {"issued_before": "1970-01-01T00:00:00Z"})) == {"TOKEN_REVOKED"}
	f.codes("token", _opaque, f.changed(f.world, array.concat(f.caller_path, ["tokens_valid_from"]), "1970-01-01T00:00:00Z")) == {"TOKEN_REVOKED"}
	f.member("token", "advice", _opaque, _listed("renewals", "issuer", "demo", _renewal)) == {{"id": "renew_token", "within_s": 240}}
}

_federated := f.asked_with("federated")

test_a_federated_credential_names_its_issuer_itself if {
	every facts in [f.world, _spoken_for_by([]), _spoken_for_by(["demo"])] {
		f.codes("token", _federated, facts) == set()
		f.codes("token", f.changed(_federated, ["token", "credential"], "cred-other"), facts) == set()
	}
}

test_an_issuer_cannot_claim_a_federated_credential if {
	every spoilt in [
		f.changed(_federated, ["token", "credential"], "cred-federated"),
		f.changed(_federated, ["credential", "type"], "shared_secret"),
		f.without(_federated, ["credential", "type"]),
		f.without(_federated, ["credential", "id"]),
	] {
		f.codes("token", spoilt, f.world) == {"ISSUER_UNTRUSTED"}
	}
}

_limits := [1800, 2000, 7200, 9000]

# The question when its issuer last spoke so long ago.
_aged(age_s, freshness) := f.changed(f.question, ["trust"], {
	"level": 3,
	"freshness": freshness,
	"age_s": age_s,
	"usable_for_s": _limits,
})

_called(tier) := f.changed(f.world, array.concat(f.service_path, ["tier"]), tier)

test_freshness_for_the_tier_of_the_service if {
	every case in [
		{"tier": 0, "usable_for_s": 1800},
		{"tier": 1, "usable_for_s": 2000},
		{"tier": 2, "usable_for_s": 7200},
		{"tier": 3, "usable_for_s": 9000},
		{"tier": 4, "usable_for_s": 1800},
		{"tier": -1, "usable_for_s": 1800},
		{"tier": "1", "usable_for_s": 1800},
		{"tier": null, "usable_for_s": 1800},
	] {
		f.codes("token", _aged(case.usable_for_s, "fresh"), _called(case.tier)) == set()
		f.details("token", "ISSUER_UNAVAILABLE", _aged(case.usable_for_s + 1, "fresh"), _called(case.tier)) == {{
			"age_s": case.usable_for_s + 1,
			"usable_for_s": case.usable_for_s,
		}}
	}
	f.codes("token", _aged(1800, "fresh"), f.without(f.world, f.service_path)) == set()
	f.codes("token", _aged(1801, "fresh"), f.without(f.world, f.service_path)) == {"ISSUER_UNAVAILABLE"}
}

test_an_outage_is_no_fault_of_the_caller if {
	{denial.status | some denial in f.denials("token", _aged(9001, "stale"), f.world)} == {503}
}

test_evidence_without_a_token_grows_old_too if {
	every kind in ["certificate", "secret", "assertion"] {
		f.codes("token", f.changed(f.asked_with(kind), ["trust"], _aged(2001, "fresh").trust), f.world) == {"ISSUER_UNAVAILABLE"}
	}
}

test_what_does_not_grow_old_needs_no_limits if {
	f.codes("token", f.without(f.question, ["trust", "freshness"]), f.world) == set()
	f.codes("token", f.changed(f.question, ["trust", "freshness"], "stale"), f.world) == {"ISSUER_UNAVAILABLE"}
}

test_an_age_without_a_limit_or_the_reverse_is_too_old if {
	every spoilt in [
		f.without(_aged(0, "fresh"), ["trust", "age_s"]),
		f.without(_aged(0, "fresh"), ["trust", "usable_for_s"]),
		f.changed(_aged(0, "fresh"), ["trust", "age_s"], "0"),
		f.changed(_aged(0, "fresh"), ["trust", "age_s"], null),
		f.changed(_aged(0, "fresh"), ["trust", "usable_for_s"], []),
		f.changed(_aged(0, "fresh"), ["trust", "usable_for_s"], ["9", "9", "9", "9"]),
		f.changed(_aged(0, "fresh"), ["trust", "usable_for_s"], 9000),
	] {
		f.codes("token", spoilt, f.world) == {"ISSUER_UNAVAILABLE"}
	}
	f.codes("token", f.changed(_aged(0, "fresh"), ["trust", "usable_for_s"], [9, "9", 9, 9]), f.world) == set()
}

test_the_most_critical_tier_wants_support_while_stale if {
	every tier, codes in {0: {"ISSUER_UNAVAILABLE"}, 1: set(), 2: set(), 3: set(), 4: {"ISSUER_UNAVAILABLE"}} {
		f.codes("token", _aged(60, "stale"), _called(tier)) == codes
		f.codes("token", _aged(60, "fresh"), _called(tier)) == set()
		every support in ["certificate", "known_source"] {
			f.codes("token", f.changed(_aged(60, "stale"), ["trust", "supports"], [support]), _called(tier)) == set()
		}
		every supports in [[], ["hearsay"], "certificate", null] {
			f.codes("token", f.changed(_aged(60, "stale"), ["trust", "supports"], supports), _called(tier)) == codes
		}
	}
	f.details("token", "ISSUER_UNAVAILABLE", _aged(60, "stale"), _called(0)) == {{"cause": "stale_unsupported"}}
	f.details("token", "ISSUER_UNAVAILABLE", _aged(1801, "stale"), _called(0)) == {{"age_s": 1801, "usable_for_s": 1800}}
	f.codes("token", _aged(60, "stale"), f.without(f.world, f.service_path)) == {"ISSUER_UNAVAILABLE"}
}

test_without_settings_every_tier_wants_support if {
	every settings in [{}, {"support_required_tiers": "1"}, {"support_required_tiers": {"tier": 0}}] {
		denials := f.denials("token", _aged(60, "stale"), f.world) with data.verdict.config.stale as settings
		{denial.details | some denial in denials} == {{"cause": "stale_unsupported"}}
	}
}

test_any_word_but_fresh_is_stale if {
	every freshness in ["Fresh", "", null, false] {
		f.codes("token", _aged(60, freshness), _called(0)) == {"ISSUER_UNAVAILABLE"}
	}
}

test_a_stale_issuer_is_told_with_the_time_left if {
	f.member("token", "advice", _aged(500, "stale"), f.world) == {{"id": "issuer_stale", "issuer": "demo", "usable_for_s": 1500}}
	f.member("token", "advice", _aged(500, "fresh"), f.world) == set()
	of_certificate := f.changed(f.asked_with("certificate"), ["trust"], _aged(500, "stale").trust)
	f.member("token", "advice", of_certificate, f.world) == {{"id": "issuer_stale", "issuer": "prod", "usable_for_s": 1500}}
}

test_answer_holds_until_what_the_issuer_said_is_too_old if {
	every freshness in ["fresh", "stale"] {
		((_now + 1500) * 1000000000) in f.member("token", "valid_until", _aged(500, freshness), f.world)
	}
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
