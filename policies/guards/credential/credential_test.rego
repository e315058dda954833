package guards.credential_test

import data.verdict.lib.fixtures_test as f

_now := 1795341600

_day := 86400

_secret := f.asked_with("secret")

_with(name, value) := f.changed(_secret, ["credential", name], value)

test_what_is_registered_and_in_force_passes if {
	every kind, _ in f.evidence {
		f.codes("credential", f.asked_with(kind), f.world) == set()
	}
}

test_state_of_the_credential if {
	every case in [
		{"state": "pending", "codes": set()},
		{"state": "active", "codes": set()},
		{"state": "retiring", "codes": set()},
		{"state": "retired", "codes": {"CREDENTIAL_RETIRED"}},
		{"state": "revoked", "codes": {"CREDENTIAL_REVOKED"}},
		{"state": "expired", "codes": {"CREDENTIAL_EXPIRED"}},
		{"state": "Active", "codes": {"INPUT_INCOMPLETE"}},
		{"state": "", "codes": {"INPUT_INCOMPLETE"}},
		{"state": null, "codes": {"INPUT_INCOMPLETE"}},
	] {
		every kind in ["secret", "assertion", "certificate", "federated"] {
			f.codes("credential", f.changed(f.asked_with(kind), ["credential", "state"], case.state), f.world) == case.codes
		}
	}
	f.details("credential", "INPUT_INCOMPLETE", f.without(_secret, ["credential", "state"]), f.world) == {{"missing": ["credential.state"]}}
}

test_a_denial_says_which_credential_and_generation if {
	which := {"credential": "cred-secret", "generation": 3}
	f.details("credential", "CREDENTIAL_RETIRED", _with("state", "retired"), f.world) == {which}
	f.details("credential", "CREDENTIAL_REVOKED", _with("state", "revoked"), f.world) == {which}
	f.details("credential", "CREDENTIAL_EXPIRED", _with("state", "expired"), f.world) == {object.union(which, {"cause": "expired"})}
	f.details("credential", "CREDENTIAL_RETIRED", f.without(_with("state", "retired"), ["credential", "generation"]), f.world) == {object.union(which, {"generation": 0})}
}

test_a_token_got_with_a_dead_credential_is_dead if {
	every state, code in {"retired": "CREDENTIAL_RETIRED", "revoked": "CREDENTIAL_REVOKED", "expired": "CREDENTIAL_EXPIRED"} {
		asked := f.changed(f.question, ["credential"], object.union(_with("state", state).credential, {"kind": "jwt"}))
		f.codes("credential", asked, f.world) == {code}
	}
}

test_evidence_that_needs_a_registered_credential_has_one if {
	every kind in ["secret", "assertion", "certificate"] {
		f.details("credential", "INPUT_INCOMPLETE", f.changed(f.asked_with(kind), ["credential"], {"kind": kind}), f.world) == {{"missing": ["credential.id"]}}
	}
	every kind in ["jwt", "claims", "opaque"] {
		f.codes("credential", f.changed(f.question, ["credential"], {"kind": kind}), f.world) == set()
	}
}

test_dates_of_the_credential if {
	every case in [
		{"name": "not_after", "at": _now + 1, "cause": set()},
		{"name": "not_after", "at": _now, "cause": set()},
		{"name": "not_after", "at": _now - 1, "cause": {"expired"}},
		{"name": "not_after", "at": "2036-01-01T00:00:00Z", "cause": {"expired"}},
		{"name": "not_after", "at": null, "cause": {"expired"}},
		{"name": "not_before", "at": _now - 1, "cause": set()},
		{"name": "not_before", "at": _now, "cause": set()},
		{"name": "not_before", "at": _now + 1, "cause": {"not_yet_valid"}},
		{"name": "not_before", "at": "2020-01-01T00:00:00Z", "cause": {"not_yet_valid"}},
		{"name": "not_before", "at": null, "cause": {"not_yet_valid"}},
	] {
		every kind in ["secret", "assertion", "certificate", "federated"] {
			asked := f.changed(f.asked_with(kind), ["credential", case.name], case.at)
			_causes(asked, f.world) == case.cause
		}
	}
}

_causes(asked, world) := {details.cause | some details in f.details("credential", "CREDENTIAL_EXPIRED", asked, world)}

test_parts_of_a_second_count if {
	asked := f.changed(_with("not_after", _now), ["time"], "2026-11-22T10:00:00.000000001Z")
	_causes(asked, f.world) == {"expired"}
}

_of_tier(tier) := f.changed(f.world, array.concat(f.caller_path, ["tier"]), tier)

test_age_for_the_tier_of_the_machine_user if {
	every case in [
		{"tier": 0, "days": 90},
		{"tier": 1, "days": 90},
		{"tier": 2, "days": 180},
		{"tier": 3, "days": 365},
		{"tier": 9, "days": 90},
		{"tier": null, "days": 90},
	] {
		every kind in ["secret", "assertion"] {
			oldest := f.changed(f.asked_with(kind), ["credential", "made_at"], _now - (case.days * _day))
			_causes(oldest, _of_tier(case.tier)) == set()
			older := f.changed(f.asked_with(kind), ["credential", "made_at"], (_now - (case.days * _day)) - 1)
			_causes(older, _of_tier(case.tier)) == {"too_old"}
		}
	}
	_causes(_with("made_at", (_now - (90 * _day)) - 1), f.without(f.world, array.concat(f.caller_path, ["tier"]))) == {"too_old"}
}

test_too_old_says_how_old if {
	f.details("credential", "CREDENTIAL_EXPIRED", _with("made_at", _now - (611 * _day)), _of_tier(3)) == {{
		"credential": "cred-secret",
		"generation": 3,
		"cause": "too_old",
		"age_s": 611 * _day,
		"max_age_s": 365 * _day,
	}}
}

test_certificates_and_federated_credentials_do_not_grow_old if {
	every kind in ["certificate", "federated"] {
		every asked in [
			f.changed(f.asked_with(kind), ["credential", "made_at"], 0),
			f.without(f.asked_with(kind), ["credential", "made_at"]),
		] {
			f.codes("credential", asked, f.world) == set()
		}
	}
}

test_every_other_type_does if {
	every asked in [f.without(_secret, ["credential", "type"]), _with("type", ""), _with("type", "Certificate"), _with("type", null)] {
		f.codes("credential", asked, f.world) == set()
		_causes(f.changed(asked, ["credential", "made_at"], 0), f.world) == {"too_old"}
	}
}

test_without_settings_every_such_credential_is_too_old if {
	every settings in [{}, {"tiers": {"1": {}}}, {"tiers": {"1": {"max_credential_age_s": "90 d"}}}] {
		denials := f.denials("credential", _with("made_at", _now), f.world) with data.verdict.config as settings
		{denial.details.cause | some denial in denials} == {"too_old"}
	}
}

test_when_it_was_made_must_be_known if {
	every asked in [f.without(_secret, ["credential", "made_at"]), _with("made_at", "2026-11-01T00:00:00Z"), _with("made_at", null)] {
		f.codes("credential", asked, f.world) == {"INPUT_INCOMPLETE"}
		f.details("credential", "INPUT_INCOMPLETE", asked, f.world) == {{"missing": ["credential.made_at"]}}
	}
}

_certificate := f.asked_with("certificate")

_of_certificate(name, value) := f.changed(_certificate, ["certificate", name], value)

test_dates_of_the_certificate if {
	every case in [
		{"name": "not_after", "at": _now, "causes": set()},
		{"name": "not_after", "at": _now - 1, "causes": {"certificate_expired"}},
		{"name": "not_after", "at": null, "causes": {"certificate_expired"}},
		{"name": "not_before", "at": _now, "causes": set()},
		{"name": "not_before", "at": _now + 1, "causes": {"certificate_not_yet_valid"}},
		{"name": "not_before", "at": false, "causes": {"certificate_not_yet_valid"}},
	] {
		_causes(_of_certificate(case.name, case.at), f.world) == case.causes
		beside_a_token := f.changed(f.question, ["certificate"], object.union(f.certificate, {case.name: case.at}))
		_causes(beside_a_token, f.world) == case.causes
	}
	f.details("credential", "CREDENTIAL_EXPIRED", _of_certificate("not_after", 7), f.world) == {{"cause": "certificate_expired", "not_after": 7}}
}

test_a_certificate_that_says_too_little if {
	every name in ["id", "not_before", "not_after"] {
		f.details("credential", "INPUT_INCOMPLETE", f.without(_certificate, ["certificate", name]), f.world) == {{"missing": [sprintf("certificate.%s", [name])]}}
	}
	f.details("credential", "INPUT_INCOMPLETE", _of_certificate("id", ""), f.world) == {{"missing": ["certificate.id"]}}
	f.details("credential", "INPUT_INCOMPLETE", f.without(_certificate, ["certificate"]), f.world) == {{"missing": ["certificate"]}}
}

_revoked(by, of, entry) := f.changed(f.world, ["revocations"], {by: {of: entry}})

_of_tenant(world) := f.changed(world, array.concat(f.caller_path, ["tenant"]), "acme")

# :: kind of evidence -> what the list may name it by
_names := {
	"secret": {"credential": "cred-secret", "subject": "mu:caller", "tenant": "acme"},
	"assertion": {"credential": "cred-key", "subject": "mu:caller", "tenant": "acme"},
	"certificate": {
		"credential": "cred-certificate",
		"subject": "mu:caller",
		"tenant": "acme",
		"issuer": "prod",
		"certificate": "crt-1",
	},
}

test_revoked_by_each_name if {
	every kind, names in _names {
		every by, of in names {
			f.details("credential", "CREDENTIAL_REVOKED", f.asked_with(kind), _of_tenant(_revoked(by, of, {}))) == {{"by": by, "of": of}}
			f.codes("credential", f.asked_with(kind), _of_tenant(_revoked(by, "another", {}))) == set()
		}
	}
}

test_names_of_tokens_do_not_reach_other_evidence if {
	every by, of in {"token": "tok-1", "issuer_key": "key-1", "issuer": "demo", "everything": "all"} {
		f.codes("credential", _secret, _revoked(by, of, {})) == set()
	}
}

test_a_token_is_the_token_guard_s_but_its_certificate_is_not if {
	asked := f.changed(
		f.changed(f.question, ["certificate"], f.certificate),
		["credential"], object.union(_secret.credential, {"kind": "jwt"}),
	)
	every by, of in {"credential": "cred-secret", "subject": "mu:caller", "tenant": "acme"} {
		f.codes("credential", asked, _of_tenant(_revoked(by, of, {}))) == set()
		f.codes("token", asked, _of_tenant(_revoked(by, of, {}))) == {"TOKEN_REVOKED"}
	}
	every by, of in {"certificate": "crt-1", "issuer": "prod"} {
		f.codes("credential", asked, _revoked(by, of, {})) == {"CREDENTIAL_REVOKED"}
		f.codes("token", asked, _revoked(by, of, {})) == set()
	}
}

test_a_certificate_beside_a_token_is_as_good_as_its_credential if {
	asked := f.changed(f.question, ["certificate"], object.union(f.certificate, {"credential": "cred-82"}))
	f.details("credential", "CREDENTIAL_REVOKED", asked, _revoked("credential", "cred-82", {})) == {{"by": "credential", "of": "cred-82"}}
	f.codes("credential", asked, _revoked("credential", "cred-83", {})) == set()
}

test_what_is_proved_now_was_not_issued_before if {
	every issued_before, codes in {
		"2026-11-22T09:00:00Z": set(),
		"2026-11-22T10:00:00Z": set(),
		"2026-11-22T10:00:01Z": {"CREDENTIAL_REVOKED"},
		"some day": {"CREDENTIAL_REVOKED"},
	} {
		f.codes("credential", _secret, _revoked("subject", "mu:caller", {"issued_before": issued_before})) == codes
	}
}

test_a_revocation_ends if {
	every until, codes in {
		"2026-11-22T10:00:00Z": set(),
		"2026-11-22T10:00:01Z": {"CREDENTIAL_REVOKED"},
		"some day": {"CREDENTIAL_REVOKED"},
	} {
		f.codes("credential", _secret, _revoked("credential", "cred-secret", {"until": until})) == codes
	}
}

test_use_of_a_retiring_credential_is_told if {
	f.member("credential", "advice", _with("state", "retiring"), f.world) == {{
		"id": "retiring_credential",
		"credential": "cred-secret",
		"generation": 3,
	}}
	every state in ["pending", "active"] {
		f.member("credential", "advice", _with("state", state), f.world) == set()
	}
}

test_rotation_is_advised_in_the_last_fifth if {
	every case in [
		{"age_s": 71 * _day, "advice": set()},
		{"age_s": (72 * _day) - 1, "advice": set()},
		{"age_s": 72 * _day, "advice": {18 * _day}},
		{"age_s": 89 * _day, "advice": {_day}},
		{"age_s": 90 * _day, "advice": {0}},
		{"age_s": (90 * _day) + 1, "advice": set()},
	] {
		advice := f.member("credential", "advice", _with("made_at", _now - case.age_s), f.world)
		{duty.within_s | some duty in advice; duty.id == "rotate_credential"} == case.advice
	}
}

test_an_earlier_end_moves_the_advice if {
	asked := f.changed(_with("made_at", _now - (8 * _day)), ["credential", "not_after"], _now + (2 * _day))
	f.member("credential", "advice", asked, f.world) == {{"id": "rotate_credential", "within_s": 2 * _day}}
	f.member("credential", "advice", f.changed(asked, ["credential", "not_after"], _now + (3 * _day)), f.world) == set()
}

test_what_does_not_grow_old_need_not_be_rotated if {
	f.member("credential", "advice", f.changed(_certificate, ["credential", "not_after"], _now + 1), f.world) == set()
}

test_answer_holds_until_what_it_stands_on_ends if {
	f.member("credential", "valid_until", f.question, f.world) == set()
	f.member("credential", "valid_until", _with("made_at", _now), f.world) == {
		(_now + (90 * _day)) * 1000000000,
		(_now + (72 * _day)) * 1000000000,
	}
	f.member("credential", "valid_until", _with("made_at", _now - (80 * _day)), f.world) == {(_now + (10 * _day)) * 1000000000}
	f.member("credential", "valid_until", f.changed(_certificate, ["credential", "not_after"], _now + 50), f.world) == {
		(_now + 50) * 1000000000,
		f.certificate.not_after * 1000000000,
	}
}

test_without_a_time_everything_has_ended if {
	_causes(f.without(_secret, ["time"]), f.world) == {"too_old"}
	_causes(f.without(_certificate, ["time"]), f.world) == {"certificate_expired"}
	_causes(f.without(_with("not_after", _now + 1), ["time"]), f.world) == {"expired", "too_old"}
}
