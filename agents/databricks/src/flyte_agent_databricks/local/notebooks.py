"""Notebooks that are in the sandbox's workspace from the beginning."""

from __future__ import annotations

FOLDER = "/Workspace/Shared/flyte-demo"

SCORE = """\
import json
# COMMAND ----------
airlines = json.loads(dbutils.widgets.get("airlines"))
weight = float(dbutils.widgets.get("weight_of_rain"))
# COMMAND ----------
# Minutes that a traveller loses on an average day, rain counted by its weight.
lost = {a["airline"]: round(a["dry_min"] + weight * a["rain_min"], 1) for a in airlines}
best, worst = min(lost.values()), max(lost.values())
span = (worst - best) or 1
scores = [
    {"airline": name, "points": round(100 * (worst - minutes) / span), "lost_min": minutes}
    for name, minutes in sorted(lost.items(), key=lambda item: item[1])
]
# COMMAND ----------
dbutils.jobs.taskValues.set("best", scores[0]["airline"])
dbutils.notebook.exit(json.dumps(scores))
"""

BROKEN = """\
import json
airlines = json.loads(dbutils.widgets.get("airlines"))
print(sum(a["rain_minutes"] for a in airlines))
"""

NOTEBOOKS = {f"{FOLDER}/score_airlines": SCORE, f"{FOLDER}/misspelt": BROKEN}
