package rotation

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// waits lists what the running rotation waits for, a text a member, each to be
// read after "waiting for"; empty when the next step may be taken.
func (r *run) waits() []string {
	texts := []string{}
	for _, m := range r.members {
		if text := r.waitsFor(m); text != "" {
			texts = append(texts, text)
		}
	}
	return texts
}

// waitsFor is what the running rotation waits for from one member, "" for nothing.
func (r *run) waitsFor(m member) string {
	switch {
	case r.over(m):
		return ""
	case r.lost(m):
		return r.lostText(m)
	case !r.proved(m):
		return fmt.Sprintf("%s to use %s; %s", m.MachineUser, r.nextText(m), r.oldUseText(m))
	case r.rotation.Phase == authz.PhaseDrain && r.quietLeft(m) > 0:
		return fmt.Sprintf("%s to leave %s unused for another %s; %s", m.MachineUser, generations(r.alive(m)), span(r.quietLeft(m)), r.oldUseText(m))
	}
	return ""
}

func (r *run) lostText(m member) string {
	return fmt.Sprintf("a new start: %s of %s is %s, while %s works; abort the rotation and start again", r.nextText(m), m.MachineUser, r.deathText(m.next), generations(r.alive(m)))
}

func (r *run) deathText(c *authz.Credential) string {
	switch {
	case c == nil:
		return "gone"
	case !c.Accepted():
		return c.State
	}
	return "past its not_after"
}

// nextText names the new credential of a member, by its id when it is gone.
func (r *run) nextText(m member) string {
	if m.next == nil {
		return m.New
	}
	return "generation " + strconv.Itoa(m.next.Generation)
}

// oldUseText is which old generation the member used last.
func (r *run) oldUseText(m member) string {
	last := lastUsed(m.old)
	if last == nil {
		return "it has not been seen using an older one"
	}
	return fmt.Sprintf("it last used generation %d %s", last.Generation, r.useText(last))
}

// useText is when and from where a credential was last used.
func (r *run) useText(c *authz.Credential) string {
	text := span(r.Now.Sub(c.LastUsedAt)) + " ago"
	if c.LastUsedFrom != "" {
		text += " from " + c.LastUsedFrom
	}
	return text
}

// generations reads "generation 3" or "generations 3 and 4".
func generations(credentials []*authz.Credential) string {
	numbers := make([]string, len(credentials))
	for i, c := range credentials {
		numbers[i] = strconv.Itoa(c.Generation)
	}
	if len(numbers) == 1 {
		return "generation " + numbers[0]
	}
	return "generations " + strings.Join(numbers, " and ")
}

// maxNamed bounds the members named in one error.
const maxNamed = 5

// join makes one text of what is waited for.
func join(waits []string) string {
	if len(waits) <= maxNamed {
		return strings.Join(waits, "; and for ")
	}
	return strings.Join(waits[:maxNamed], "; and for ") + "; and for " + strconv.Itoa(len(waits)-maxNamed) + " more members"
}

// span is a duration for people, in one unit, rounded up; a negative
// one, which only a clock set back can cause, is 0s.
func span(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return strconv.FormatInt(ceil(d, time.Second), 10) + "s"
	case d < 2*time.Hour:
		return strconv.FormatInt(ceil(d, time.Minute), 10) + "m"
	case d < 48*time.Hour:
		return strconv.FormatInt(ceil(d, time.Hour), 10) + "h"
	}
	return strconv.FormatInt(ceil(d, 24*time.Hour), 10) + "d"
}

// ceil counts the units that d takes, the last one perhaps in part.
func ceil(d, unit time.Duration) int64 {
	if d <= 0 {
		return 0
	}
	return int64((d-1)/unit) + 1
}
