"""The service over HTTP: requests and answers, the task list, the schedule of polling, whose an address is."""
