"""What sending to many needs: recipients, texts with their values, budgets, and the files of outcomes."""
