package main

import (
	"fmt"
	"strings"

	"github.com/verdict-pdp/verdict/authz"
)

// The questions asked before a rotation is started or hurried. Each ends with a
// line that can be answered with yes.

func startQuestion(now rotation) string {
	return fmt.Sprintf("Each of %s gets a new generation. The old ones go on working until they are retired.\nStart a rotation of %s?",
		strings.Join(membersOf(now), ", "), now.ID)
}

func forceQuestion(now rotation) string {
	text := fmt.Sprintf("Take the next step of the rotation of %s without evidence?", now.ID)
	if len(now.WaitingFor) > 0 {
		text = "It waits for " + strings.Join(now.WaitingFor, "\nand for ") + ".\n" + text
	}
	return text
}

func emergencyQuestion(now rotation) string {
	breaks := fmt.Sprintf("Nobody breaks: every member of %s has proved its new generation.", now.ID)
	if names := unproved(now); len(names) > 0 {
		breaks = "Until they use their new generation these cannot authenticate: " + strings.Join(names, ", ") + "."
	}
	return fmt.Sprintf("%s\nRevoke the old generations of %s now?", breaks, now.ID)
}

// unproved are the members that have not proved a new generation: all, while no
// rotation runs.
func unproved(now rotation) []string {
	if !now.running() {
		return membersOf(now)
	}
	var names []string
	for _, m := range now.Members {
		if m.Light != authz.LightGreen && m.Light != authz.LightAmber {
			names = append(names, m.MachineUser)
		}
	}
	return names
}
