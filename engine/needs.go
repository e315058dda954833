package engine

import (
	"context"
	"fmt"
	"iter"
	"reflect"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"

	"github.com/verdict-pdp/verdict/authz"
)

// maxTries bounds how often the entrypoint is evaluated to find what one decision
// needs to become an allow.
const maxTries = 64

// maxDenials is how many denials, and reasons, are looked through: what is done with
// them between two evaluations no time limit ends.
const maxDenials = 1000

// needQueries ask a policy what it would say if some of its denials were not made.
// It is immutable.
type needQueries struct {
	guards  []string
	raised  rego.PreparedEvalQuery // what guards deny: {guard: set of denials}
	without rego.PreparedEvalQuery // the entrypoint, of {"question": input, "denials": as raised}
}

func newNeedQueries(compiler *ast.Compiler, store *store, guards []guardRules) (needQueries, error) {
	var q needQueries
	denials := make([][2]*ast.Term, len(guards))
	input := ast.InputRootDocument
	// The target is a reference, as a parser makes it: for a variable OPA puts its own
	// reference to the input there, and then rewrites that in place.
	without := ast.NewExpr(ast.NewTerm(entrypoint)).IncludeWith(ast.RefTerm(input), ast.RefTerm(input, ast.StringTerm("question")))
	for n, g := range guards {
		q.guards = append(q.guards, g.name)
		name, deny := ast.StringTerm(g.name), ast.NewTerm(denyOf(g.name))
		denials[n] = ast.Item(name, deny)
		without = without.IncludeWith(deny, ast.RefTerm(input, ast.StringTerm("denials"), name))
	}
	var err error
	if q.raised, err = prepareQuery(compiler, store, ast.NewExpr(ast.ObjectTerm(denials...))); err != nil {
		return q, err
	}
	q.without, err = prepareQuery(compiler, store, without)
	return q, err
}

// denial is one element of the deny set of a guard.
type denial struct {
	guard string
	term  *ast.Term
	said  map[string]any // the same as JSON; nil when it is no object
}

func newDenial(guard string, term *ast.Term) denial {
	d := denial{guard: guard, term: term}
	if said, ok := jsonValue(term.Value).(map[string]any); ok {
		d.said = said
	}
	return d
}

func (d denial) code() authz.ReasonCode { return authz.ReasonCode(d.text("code")) }

func (d denial) text(name string) string {
	text, ok := d.said[name].(string)
	if !ok {
		return ""
	}
	return text
}

// isBehind reports whether r can be what a decision made of d. What a guard denies
// without a code may be behind each of its reasons.
func (d denial) isBehind(r authz.Reason) bool {
	return r.Guard == d.guard && (r.Code == d.code() || d.code() == "")
}

// details are nil where there are none.
func (d denial) details() map[string]any {
	details, ok := d.said["details"].(map[string]any)
	if !ok {
		return nil
	}
	return details
}

// find returns the smallest sets of denials without which the policy, asked again,
// allows. Each set was tried. That there is no smaller one holds for policies that
// do not deny more when guards deny less. Where something remains when no guard
// denies, it belongs to every set. Past maxTries, or the end of ctx, some of the
// smallest may be missing, and when none was found yet the one set is of all the
// denials that matter; fewer might do. Past maxDenials there are no sets. The error
// says what ended the search, if something did.
func (q *needQueries) find(ctx context.Context, i evaluator, judged authz.Judgement) ([][]authz.Need, error) {
	raised, err := i.run(ctx, evalArgs{query: &q.raised, input: i.input})
	if err != nil {
		return nil, err
	}
	s := &search{reasons: judged.Reasons, guards: q.guards, denials: denialsIn(raised)}
	if len(s.denials) > maxDenials || len(s.reasons) > maxDenials {
		return nil, nil
	}
	s.ask = func(denials *ast.Term) (ast.Value, error) {
		input := object{}.with("question", ast.NewTerm(i.input)).with("denials", denials).term()
		return i.run(ctx, evalArgs{query: &q.without, input: input.Value})
	}
	return s.sets()
}

// search looks for the smallest sets of denials that would have to go. Sets are
// ascending indexes of denials.
type search struct {
	reasons []authz.Reason // for which it is denied
	guards  []string
	denials []denial
	ask     func(denials *ast.Term) (ast.Value, error) // for a decision, as if these were all denials
	tries   int
	err     error // that ended the search
	// stays are the reasons left when no guard denies, as keys. Where there are any,
	// no set of denials gives an allow, and what is looked for leaves nothing else.
	stays map[string]bool
}

func (s *search) sets() ([][]authz.Need, error) {
	left, ok := s.without(s.all())
	if !ok {
		return nil, s.err
	}
	s.stays = keysOf(left.Reasons)
	var sets [][]authz.Need
	for _, gone := range s.smallest() {
		sets = append(sets, append(s.needs(gone), needsOf(left.Reasons)...))
	}
	return sets, s.err
}

// denialsIn lists what guards deny, by guard.
func denialsIn(raised ast.Value) []denial {
	var denials []denial
	if guards, ok := raised.(ast.Object); ok {
		guards.Foreach(func(guard, set *ast.Term) {
			name, named := guard.Value.(ast.String)
			if set, ok := set.Value.(ast.Set); ok && named {
				for _, term := range set.Slice() {
					denials = append(denials, newDenial(string(name), term))
				}
			}
		})
	}
	return denials
}

func (s *search) all() []int {
	all := make([]int, len(s.denials))
	for n := range all {
		all[n] = n
	}
	return all
}

// without judges as if the denials in gone had not been made. It is false when that
// could not be judged, or the search has ended.
func (s *search) without(gone []int) (authz.Judgement, bool) {
	if s.ended() {
		return authz.Judgement{}, false
	}
	s.tries++
	value, err := s.ask(s.rest(gone))
	if err != nil {
		s.err = err
		return authz.Judgement{}, false
	}
	return judgement(value), true
}

// rest is what every guard denies but for gone.
func (s *search) rest(gone []int) *ast.Term {
	sets := make(map[string]ast.Set, len(s.guards)) // :: guard -> what it denies
	for _, g := range s.guards {
		sets[g] = ast.NewSet()
	}
	for n, d := range s.denials {
		if !slices.Contains(gone, n) {
			sets[d.guard].Add(d.term)
		}
	}
	guards := make(object, 0, len(s.guards))
	for _, g := range s.guards {
		guards.add(g, ast.NewTerm(sets[g]))
	}
	return guards.term()
}

// enough reports whether nothing but what stays is denied without the denials in gone.
func (s *search) enough(gone []int) bool {
	j, ok := s.without(gone)
	if !ok || len(s.stays) == 0 {
		return ok && j.Allow
	}
	for key := range keysOf(j.Reasons) {
		if !s.stays[key] {
			return false
		}
	}
	return true
}

func (s *search) ended() bool { return s.err != nil || s.tries == maxTries }

// smallest finds the smallest sets that are enough.
func (s *search) smallest() [][]int {
	matter := s.all()
	if named := s.named(); len(named) < len(matter) && s.enough(named) {
		matter = named
	}
	var needed, others []int // in every set, and perhaps in some
	for n, index := range matter {
		if s.ended() {
			return [][]int{matter}
		}
		if s.enough(slices.Delete(slices.Clone(matter), n, n+1)) {
			others = append(others, index)
		} else {
			needed = append(needed, index)
		}
	}
	if s.ended() {
		return [][]int{matter}
	}
	if sets := s.smallestOf(needed, others); len(sets) > 0 {
		return sets
	}
	return [][]int{matter}
}

// smallestOf finds the smallest sets that hold all of needed and some of others.
func (s *search) smallestOf(needed, others []int) [][]int {
	var found [][]int
	for size := 0; size <= len(others) && len(found) == 0; size++ {
		for some := range combinations(others, size) {
			set := slices.Sorted(slices.Values(slices.Concat(needed, some)))
			if s.enough(set) {
				found = append(found, set)
			}
			if s.ended() {
				return found
			}
		}
	}
	return found
}

// named are the denials that the reasons of the judgement stand for.
func (s *search) named() []int {
	var named []int
	for n, d := range s.denials {
		if slices.ContainsFunc(s.reasons, d.isBehind) {
			named = append(named, n)
		}
	}
	return named
}

// combinations gives each choice of size of the items, in their order.
func combinations(items []int, size int) iter.Seq[[]int] {
	return func(yield func([]int) bool) { choose(items, size, nil, yield) }
}

func choose(items []int, size int, chosen []int, yield func([]int) bool) bool {
	if size == 0 {
		return yield(slices.Clone(chosen))
	}
	for n := 0; n+size <= len(items); n++ {
		if !choose(items[n+1:], size-1, append(chosen, items[n]), yield) {
			return false
		}
	}
	return true
}

// needs says what the denials in gone are.
func (s *search) needs(gone []int) []authz.Need {
	needs := make([]authz.Need, len(gone))
	for n, index := range gone {
		needs[n] = s.need(s.denials[index])
	}
	return needs
}

// need is a denial in the words of the reason the decision made of it, or else in
// its own.
func (s *search) need(d denial) authz.Need {
	first := -1
	for n, r := range s.reasons {
		if !d.isBehind(r) {
			continue
		}
		if reflect.DeepEqual(r.Details, d.details()) {
			return needOf(r)
		}
		if first < 0 {
			first = n
		}
	}
	if first >= 0 {
		return needOf(s.reasons[first])
	}
	return authz.Need{Code: d.code(), Guard: d.guard, Message: d.text("message"), Fix: d.text("fix"), Details: d.details()}
}

func needOf(r authz.Reason) authz.Need {
	return authz.Need{Code: r.Code, Guard: r.Guard, Message: r.Message, Fix: r.Fix, Details: r.Details}
}

func needsOf(reasons []authz.Reason) []authz.Need {
	needs := make([]authz.Need, len(reasons))
	for n, r := range reasons {
		needs[n] = needOf(r)
	}
	return needs
}

// keysOf are reasons in a form that can be compared.
func keysOf(reasons []authz.Reason) map[string]bool {
	keys := make(map[string]bool, len(reasons))
	for _, r := range reasons {
		keys[fmt.Sprintf("%+v", r)] = true // maps are printed in the order of their keys
	}
	return keys
}
