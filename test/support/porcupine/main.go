// Judges histories of one register with Porcupine, the second oracle of the linearizability checker.
// Reads one JSON array a line, of {"process","f","value","known","call","return"} in which an operation of
// unknown outcome returns after everything else; writes "true" or "false" for each.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"github.com/anishathalye/porcupine"
)

type operation struct {
	Process int    `json:"process"`
	F       string `json:"f"`
	Value   []int  `json:"value"`
	Known   bool   `json:"known"`
	Call    int64  `json:"call"`
	Return  int64  `json:"return"`
}

// The register holds a whole number, 0 at first. An operation whose outcome is unknown may do nothing.
var model = porcupine.NondeterministicModel{
	Init: func() []interface{} { return []interface{}{0} },
	Step: func(state, input, _ interface{}) []interface{} {
		held, asked := state.(int), input.(operation)
		after := []interface{}{}
		switch {
		case asked.F == "write":
			after = append(after, asked.Value[0])
		case asked.F == "read" && held == asked.Value[0]:
			after = append(after, held)
		case asked.F == "cas" && held == asked.Value[0]:
			after = append(after, asked.Value[1])
		}
		if !asked.Known {
			after = append(after, held)
		}
		return after
	},
}

func main() {
	deterministic := model.ToModel()
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var asked []operation
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		history := make([]porcupine.Operation, len(asked))
		for i, each := range asked {
			history[i] = porcupine.Operation{
				ClientId: each.Process, Input: each, Call: each.Call, Output: nil, Return: each.Return,
			}
		}
		fmt.Println(porcupine.CheckOperations(deterministic, history))
	}
}
