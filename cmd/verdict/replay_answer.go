package main

import (
	"bytes"
	"encoding/json"

	"github.com/verdict-pdp/verdict/cmd/verdict/remote"
	"github.com/verdict-pdp/verdict/ijson"
)

// replayAnswer reads the lines of a replay: progress, and at last a report or why
// there is none.
type replayAnswer struct {
	bar    *count
	report []byte // JSON of the comparison, as the server sent it
}

// replayLine is one line; one of its members is there.
type replayLine struct {
	Progress *struct {
		Done  uint64 `json:"done"`
		Total uint64 `json:"total"`
	} `json:"progress"`
	Report json.RawMessage `json:"report"`
	Error  json.RawMessage `json:"error"`
}

func (a *replayAnswer) line(text []byte) error {
	var line replayLine
	if err := ijson.UnmarshalOpen(text, &line); err != nil {
		return unreadable(err)
	}
	if line.Error != nil {
		problem, err := remote.ParseProblem(line.Error)
		if err != nil {
			return unreadable(err)
		}
		return problem
	}
	if line.Progress != nil {
		a.bar.at(line.Progress.Done, line.Progress.Total)
	}
	if line.Report != nil {
		a.report = bytes.Clone(line.Report)
	}
	return nil
}
