package generations

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/bundles"
)

// modes a guard can have, stricter ones later.
var modes = []string{authz.ModeOff, authz.ModeObserve, authz.ModeFlag, authz.ModeEnforce}

// SetModes keeps what the active generation becomes with another mode of one guard as
// a candidate, as Push does: in the bundle authz.ModesBundle, which speaks over the
// modes that the other bundles give. With Verification.Required it may not be less
// strict than theirs. The error is CodeNotFound when there is no such guard.
func (k *Keeper) SetModes(ctx context.Context, guard, mode, author, message string) (authz.Generation, error) {
	if !slices.Contains(modes, mode) {
		return authz.Generation{}, authz.Invalid("mode", "must be one of "+strings.Join(modes, ", "))
	}
	if err := validateAuthor(author, message); err != nil {
		return authz.Generation{}, err
	}
	return k.change(ctx, offer{
		name:   authz.ModesBundle,
		read:   func(on *view) (bundles.Package, error) { return withMode(on.snapshot, guard, mode) },
		source: authz.SourceModes, author: author, message: message,
	})
}

// withMode makes the modes bundle of active with another mode of a guard.
func withMode(active *bundles.Snapshot, guard, mode string) (bundles.Package, error) {
	if !slices.ContainsFunc(active.Guards(), func(g bundles.Guard) bool { return g.Name == guard }) {
		return bundles.Package{}, authz.Errorf(authz.CodeNotFound, "the active generation has no guard %s", strconv.Quote(guard))
	}
	over, err := modesOver(active)
	if err != nil {
		return bundles.Package{}, err
	}
	set := map[string]string{}
	maps.Copy(set, over)
	set[guard] = mode
	return bundles.ModesPackage(set, "")
}

// overlay refuses a set whose modes bundle is less strict than what its other
// bundles, which are signed, say. Where signatures are not required anything goes.
func (c Config) overlay(s *bundles.Snapshot) error {
	if !c.Verification.Required {
		return nil
	}
	over, err := modesOver(s)
	if err != nil {
		return err
	}
	signed, err := modesUnder(s)
	if err != nil {
		return err
	}
	var problems []authz.Problem
	for _, guard := range slices.Sorted(maps.Keys(over)) {
		if strictness(over[guard]) < strictness(signed[guard]) {
			problems = append(problems, authz.Problem{
				File:    authz.ModesBundle,
				Message: fmt.Sprintf("sets guard %s to %s, which is less strict than %s in the signed bundles", guard, over[guard], signed.of(guard)),
				Fix:     fmt.Sprintf("set guard %s to %s or stricter, or sign a bundle that says %s", guard, signed.of(guard), over[guard]),
			})
		}
	}
	if len(problems) == 0 {
		return nil
	}
	e := &authz.Error{Code: authz.CodeForbidden, Message: "modes may only be made stricter where signatures are required", Problems: problems}
	for _, p := range problems {
		e.Message += "\n" + p.String()
	}
	return e
}

// guardModes are the modes of guards. :: guard -> mode
type guardModes map[string]string

// of is the mode of a guard; what is not a mode enforces, as policies take it.
func (m guardModes) of(guard string) string { return modes[strictness(m[guard])] }

// strictness orders modes. What is not a mode enforces.
func strictness(mode string) int {
	if i := slices.Index(modes, mode); i >= 0 {
		return i
	}
	return len(modes) - 1
}

// modesOver are the modes of the modes bundle: data.modes.
func modesOver(s *bundles.Snapshot) (guardModes, error) {
	var over guardModes
	return over, document(s, authz.ModesBundle, &over)
}

// modesUnder are the modes that the other bundles give: data.verdict.config.modes.
func modesUnder(s *bundles.Snapshot) (guardModes, error) {
	var verdict struct {
		Config struct {
			Modes map[string]any `json:"modes"`
		} `json:"config"`
	}
	if err := document(s, "verdict", &verdict); err != nil {
		return nil, err
	}
	under := guardModes{}
	for guard, mode := range verdict.Config.Modes {
		under[guard], _ = mode.(string)
	}
	return under, nil
}

// document decodes one document at the root of a snapshot's data, and leaves into
// alone when there is none. Data is written as JSON is, but for strings with control
// characters: those are an error, so that no mode is taken from data that is not
// understood.
func document(s *bundles.Snapshot, name string, into any) error {
	for _, key := range s.Data().Keys() {
		if key.Value.String() != strconv.Quote(name) {
			continue
		}
		if err := json.Unmarshal([]byte(s.Data().Get(key).Value.String()), into); err != nil {
			return internal("the modes that the bundles give cannot be read from data."+name, err)
		}
	}
	return nil
}
